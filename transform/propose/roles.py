"""What a column is good for, judged by its profile: the first sieve of the heuristic.

A column profile enters; a role and its reason leave. Left out of every task are identifiers, free
text, constants, nearly empty columns and personal data. Names of columns only tip the scale; they
are looked up as whole words in several languages. Not guaranteed: that all personal data is found.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from extract.evidence.vocabulary import (
    CONTACT,
    COUNTED,
    IDENTIFIER,
    NAME_PART,
    PERSON,
    PERSON_NAME,
    words,
)
from extract.noun import Noun
from transform.profile import ColumnProfile, Pattern, TableProfile

Role = Literal["number", "category", "time", "identifier", "text", "constant", "sparse", "personal"]
USABLE: tuple[Role, ...] = ("number", "category", "time")
"""Roles of columns that a task may ship."""

_PERSONAL_PATTERNS: tuple[Pattern, ...] = ("email", "phone", "card", "ip")


class RoleConfig(Noun):
    """Where one role ends and the next begins."""

    max_categories: int = Field(default=50, ge=2)
    """Distinct values of a text column that is a category."""
    max_categories_large: int = Field(default=100, ge=2)
    """The same where each value has 50 rows on average."""
    constant_share: float = Field(default=0.995, gt=0.5, le=1)
    """Share of the rows with one value from which a column counts as constant."""
    sparse_share: float = Field(default=0.8, gt=0, le=1)
    """Share of missing cells above which a column is left out."""
    long_text: float = Field(default=80.0, gt=0)
    """Characters per value from which few-valued text is prose all the same."""


@dataclass(frozen=True)
class Judged:
    """A column, its role, and why."""

    column: ColumnProfile
    role: Role
    why: str

    @property
    def usable(self) -> bool:
        """True when a task may ship the column."""
        return self.role in USABLE


def judge(table: TableProfile, config: RoleConfig) -> dict[str, Judged]:
    """Role of each column by name, in table order."""
    return {c.name: Judged(c, *_role(c, table.n_rows, config)) for c in table.columns}


def _role(column: ColumnProfile, n_rows: int, config: RoleConfig) -> tuple[Role, str]:
    if column.n_unique <= 1 or column.top_share >= config.constant_share:
        return "constant", "it is constant or nearly so"
    if column.missing_share > config.sparse_share:
        return "sparse", f"{column.missing_share:.0%} of its cells are missing"
    if _is_personal(column):
        return "personal", "it looks like personal data"
    if column.type in ("date", "datetime"):
        return "time", "it holds instants"
    if column.type == "text":
        return _text_role(column, n_rows, config)
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


def _text_role(column: ColumnProfile, n_rows: int, config: RoleConfig) -> tuple[Role, str]:
    assert column.mean_words is not None
    assert column.mean_length is not None
    if column.pattern is not None:
        return "identifier", f"its values are {column.pattern}s"
    n_cells = n_rows * (1 - column.missing_share)
    few = column.n_unique <= config.max_categories and column.n_unique * 4 <= n_cells
    many = column.n_unique <= config.max_categories_large and column.n_unique * 50 <= n_cells
    if (few or many) and column.mean_length <= config.long_text:
        return "category", f"it has {column.n_unique} values"
    if column.unique_share > 0.9 and column.mean_words < 4:
        return "identifier", "nearly every row has a value of its own"
    return "text", f"it is text with {column.n_unique} values"


def _is_number_identifier(column: ColumnProfile, n_rows: int) -> bool:
    """Whole numbers, all different, that count rows or are called an identifier."""
    if column.type == "boolean" or not column.integer_like:
        return False
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
