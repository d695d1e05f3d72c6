"""Reads the fields of Kaggle's records and metadata, none of which is believed to have its type.

Takes values of parsed JSON; returns clean, bounded text, instants, tags and licence statements. A
field of another type than it should have counts as not given.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from extract.licenses import Statement
from extract.records import LIST_RECORD, METADATA
from extract.untrusted_text import one_line

_LINE_CHARS = 300
_TAGS = 50


def line(value: object) -> str:
    """Foreign text as one bounded line; empty for what is no text."""
    return one_line(value, _LINE_CHARS)


def instant(value: object) -> str | None:
    """ISO 8601 in UTC to the second, None for what is no instant."""
    try:
        moment = datetime.fromisoformat(line(value))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except OverflowError:
        # An offset may lead out of the years that there are.
        return None


def tag_names(keywords: object, tags: object) -> tuple[str, ...]:
    """Keywords of the metadata, else the names of the record's tags; sorted, each once."""
    given = keywords if isinstance(keywords, list) and keywords else tags
    names = {
        line(tag.get("name") if isinstance(tag, dict) else tag)
        for tag in (given if isinstance(given, list) else [])
    }
    return tuple(sorted(names - {""}))[:_TAGS]


def statements(info: Mapping[str, Any], record: Mapping[str, Any]) -> tuple[Statement, ...]:
    """What metadata and record say about the licence, in each place where they say something."""
    return (*_in_record(record), *_in_metadata(info))


def _in_record(record: Mapping[str, Any]) -> Iterator[Statement]:
    names = [record.get("licenseName"), record.get("licenseNameNullable")]
    for text in dict.fromkeys(_statement(name) for name in names if name not in (None, "")):
        yield Statement(where=f"{LIST_RECORD}: licenseName", text=text)


def _in_metadata(info: Mapping[str, Any]) -> Iterator[Statement]:
    """Whatever field it stands in: who says two things means the stricter."""
    entries: list[Any] = []
    for field in ("licenses", "license", "licenseName"):
        value = info.get(field)
        entries += value if isinstance(value, list) else [value]
    names = [entry.get("name") if isinstance(entry, dict) else entry for entry in entries]
    wanted = (name for entry, name in zip(entries, names, strict=True) if entry not in (None, ""))
    for text in dict.fromkeys(map(_statement, wanted)):
        yield Statement(where=f"{METADATA}: licenses", text=text)


def _statement(licence: object) -> str:
    """A statement as one line. What is cut or no text gets words that no licence has."""
    if not line(licence):
        return "[no text]"
    is_cut = isinstance(licence, str) and len(licence) > _LINE_CHARS
    return f"{line(licence)} [cut]" if is_cut else line(licence)
