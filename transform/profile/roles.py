"""What a column is good for, by its counts: role, aggregation, and kind of target.

A column profile enters; the same with its role and the reason leaves. Left out of every task are
identifiers, free text, constants, nearly empty columns and personal data. Names of columns only tip
the scale; they are looked up as whole words in several languages. Not guaranteed: that all personal
data is found.
"""

from extract.evidence.vocabulary import (
    AVERAGED,
    CONTACT,
    COUNTED,
    IDENTIFIER,
    NAME_PART,
    PERSON,
    PERSON_NAME,
    PLACE,
    SUMMED,
    is_code,
    mentions,
    words,
)
from transform.profile.profile import ColumnProfile, Pattern, Role, TargetKind
from transform.proposal import Aggregation

_PERSONAL_PATTERNS: tuple[Pattern, ...] = ("email", "phone", "card", "ip")
_MAX_CATEGORIES = 50
"""Distinct values of a text column that is a category; one-hot encoded they stay a narrow table."""
_MAX_CATEGORIES_LARGE = 100
"""The same where each value has 50 rows on average."""
_CONSTANT_SHARE = 0.995
"""Share of the rows with one value from which a column says nothing about nearly all rows."""
_SPARSE_SHARE = 0.8
"""Share of missing cells above which a column is left out: imputing would invent most of it."""
_LONG_TEXT = 80.0
"""Characters per value from which few-valued text is prose all the same."""
_MAX_CLASSES = 20
"""Most labels of a classification; with more, macro-F1 is decided by the rarest of them."""
_MAX_NUMBER_CLASSES = 10
"""Distinct whole numbers that are classes, such as grades, rather than amounts."""
_MIN_CLASS_ROWS = 25
"""Rows from which a class counts: a fifth of them is held out, and 5 is the size gate's least."""
_MAX_TARGET_MISSING = 0.3
"""Share of missing cells above which a target leaves too few rows, and not at random."""
_MAX_CLASS_SHARE = 0.97
"""Share of the commonest label above which guessing it is nearly right."""
_MAX_NUMBER_SHARE = 0.7
"""Share of the commonest number above which the target is that number or an exception."""


def with_role(column: ColumnProfile, n_rows: int) -> ColumnProfile:
    """The column with its role in a table of so many rows, and what follows from that."""
    role, reason = _role(column, n_rows)
    aggregation, kind = _aggregation(column), _target_kind(column, role)
    more = {"role": role, "role_reason": reason, "aggregation": aggregation, "target_kind": kind}
    return column.model_copy(update=more)


def _aggregation(column: ColumnProfile) -> Aggregation:
    """Amounts and counts are summed, rates and levels averaged; flags hold for the whole cell."""
    if column.n_unique <= 2 and column.integer_like:
        return "max"
    if mentions(column.name, SUMMED) and not mentions(column.name, AVERAGED):
        return "sum"
    return "mean"


def _target_kind(column: ColumnProfile, role: Role) -> TargetKind | None:
    """What predicting a column would be, by its values; None when it is no target."""
    if role not in ("number", "category") or column.missing_share > _MAX_TARGET_MISSING:
        return None
    if role == "category" or (column.integer_like and column.n_unique <= _MAX_NUMBER_CLASSES):
        frequent = sum(item.count >= _MIN_CLASS_ROWS for item in column.top)
        few = column.n_unique <= _MAX_CLASSES and column.top_share <= _MAX_CLASS_SHARE
        return "classification" if frequent >= 2 and few else None
    varied = column.n_unique > _MAX_NUMBER_CLASSES and column.top_share <= _MAX_NUMBER_SHARE
    measured = not mentions(column.name, PLACE) and not is_number_code(column)
    return "regression" if varied and measured else None


def is_number_code(column: ColumnProfile) -> bool:
    """Whether whole numbers stand for names, such as postcodes."""
    return column.integer_like and is_code(column.name)


def _role(column: ColumnProfile, n_rows: int) -> tuple[Role, str]:
    if column.n_unique <= 1 or column.top_share >= _CONSTANT_SHARE:
        return "constant", "it is constant or nearly so"
    if column.missing_share > _SPARSE_SHARE:
        return "sparse", f"{column.missing_share:.0%} of its cells are missing"
    if _is_personal(column):
        return "personal", "it looks like personal data"
    if column.type in ("date", "datetime"):
        return "time", "it holds instants"
    if column.type == "text":
        return _text_role(column, n_rows)
    if _is_number_identifier(column, n_rows):
        return "identifier", "its values number the rows or name them"
    return "number", "it holds numbers"


def _is_personal(column: ColumnProfile) -> bool:
    if column.pattern in _PERSONAL_PATTERNS:
        return True
    # Flags such as `has_mobile` tell nothing about whom to call.
    if column.type in ("number", "boolean") or column.n_unique <= 3:
        return False
    name = frozenset(words(column.name))
    if name & CONTACT or "".join(words(column.name)) in CONTACT:
        return True
    if column.type != "text":
        return False
    named = name & PERSON_NAME and (len(name) == 1 or name & NAME_PART)
    return bool(named or (name and name <= PERSON))


def _text_role(column: ColumnProfile, n_rows: int) -> tuple[Role, str]:
    assert column.mean_words is not None
    assert column.mean_length is not None
    if column.pattern is not None:
        return "identifier", f"its values are {column.pattern}s"
    # A category must repeat, or a model learns a table of names.
    n_cells = n_rows * (1 - column.missing_share)
    few = column.n_unique <= _MAX_CATEGORIES and column.n_unique * 4 <= n_cells
    many = column.n_unique <= _MAX_CATEGORIES_LARGE and column.n_unique * 50 <= n_cells
    if (few or many) and column.mean_length <= _LONG_TEXT:
        return "category", f"it has {column.n_unique} values"
    if column.unique_share > 0.9 and column.mean_words < 4:
        return "identifier", "nearly every row has a value of its own"
    return "text", f"it is text with {column.n_unique} values"


def _is_number_identifier(column: ColumnProfile, n_rows: int) -> bool:
    """Whole numbers, all different, that count rows or are called an identifier."""
    if column.type == "boolean" or not column.integer_like:
        return False
    # Called an identifier: it may repeat, as a customer does in a list of orders.
    if column.type == "integer" and column.n_unique > 50 and _named_identifier(column.name):
        return True
    if column.unique_share < 0.98 or column.n_unique < 20:
        return False
    span = float(column.maximum or 0) - float(column.minimum or 0) + 1
    return column.monotone or span <= 1.2 * n_rows


def _named_identifier(name: str) -> bool:
    parts = words(name)
    if not parts:
        return False
    return parts[-1] in IDENTIFIER or parts[0] in IDENTIFIER - COUNTED
