"""Foreign headers and file names become names that are safe to ship.

A shipped column name stands between back quotes in prose, in SQL and in Python source; so it holds
none, and no control or invisible character, and is unique in its table. Letters, signs and case
stay as they are, but for names that polars takes for a pattern of names.
"""

from collections.abc import Iterable

from extract.untrusted_text import one_line

_COLUMN_CHARS = 80
_TABLE_CHARS = 80
_RESERVED = "row_id"
"""Released tables number their rows in a column of this name."""


def column_names(headers: Iterable[str]) -> list[str]:
    """Shipped names for the headers of one table, in order.

    An empty header becomes `column_<n>`, counted from 1; repeats get `_2`, `_3`; `row_id` in any
    case becomes `source_row_id`.
    """
    names: list[str] = []
    taken: set[str] = set()
    for number, header in enumerate(headers, start=1):
        name = _shown(header, _COLUMN_CHARS) or f"column_{number}"
        if name.casefold() == _RESERVED:
            name = f"source_{_RESERVED}"
        if name == "*" or (name.startswith("^") and name.endswith("$")):
            name = f"column {name}"[:_COLUMN_CHARS]
        names.append(unique(name, taken, _COLUMN_CHARS))
    return names


def table_name(text: str, taken: set[str]) -> str:
    """A table name that is not taken yet; it is added to `taken`."""
    name = _shown(text.replace("/", " "), _TABLE_CHARS) or "table"
    return unique(name, taken, _TABLE_CHARS)


def _shown(text: str, longest: int) -> str:
    """The text on one line; what has no shape of its own, such as private signs, is left out."""
    printable = (c if c.isprintable() else " " for c in text.replace("`", "'"))
    return one_line("".join(printable), longest)


def unique(name: str, taken: set[str], longest: int) -> str:
    """`name`, or `name_2` and so on when it is taken; the result is added to `taken`."""
    result, n = name, 1
    while result in taken:
        n += 1
        suffix = f"_{n}"
        result = name[: longest - len(suffix)] + suffix
    taken.add(result)
    return result
