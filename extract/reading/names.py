"""Foreign headers and file names become names that are safe to ship.

A shipped column name stands between back quotes in prose, in SQL and in Python source; so it holds
none, and no control or invisible character, and is unique in its table. Letters, signs and case
stay as they are, but for names that polars takes for a pattern of names.
"""

import unicodedata
from collections.abc import Iterable

_COLUMN_CHARS = 80
_TABLE_CHARS = 80
_RESERVED = "row_id"


def column_names(headers: Iterable[str]) -> list[str]:
    """Shipped names for the headers of one table, in order.

    An empty header becomes `column_<n>`, counted from 1; repeats get `_2`, `_3`; `row_id` in any
    case becomes `source_row_id`.
    """
    names: list[str] = []
    taken: set[str] = set()
    for number, header in enumerate(headers, start=1):
        name = clean(header.replace("`", "'"), _COLUMN_CHARS) or f"column_{number}"
        if name.casefold() == _RESERVED:
            name = f"source_{_RESERVED}"
        if name == "*" or (name.startswith("^") and name.endswith("$")):
            name = f"column {name}"[:_COLUMN_CHARS]
        names.append(unique(name, taken, _COLUMN_CHARS))
    return names


def table_name(text: str, taken: set[str]) -> str:
    """A table name that is not taken yet; it is added to `taken`."""
    name = clean(text.replace("`", "'").replace("/", " "), _TABLE_CHARS) or "table"
    return unique(name, taken, _TABLE_CHARS)


def clean(text: str, longest: int) -> str:
    """One line without control and invisible characters, trimmed and cut."""
    text = text.encode("utf-8", "replace").decode()
    shown = (" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return " ".join("".join(shown).split())[:longest].rstrip()


def unique(name: str, taken: set[str], longest: int) -> str:
    """`name`, or `name_2` and so on when it is taken; the result is added to `taken`."""
    result, n = name, 1
    while result in taken:
        n += 1
        suffix = f"_{n}"
        result = name[: longest - len(suffix)] + suffix
    taken.add(result)
    return result
