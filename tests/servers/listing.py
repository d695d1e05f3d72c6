"""The list call: filters, order, pages.

Enters: the body of a request and the current versions. Leaves: the matching records in order, and
tokens for pages. Nothing beyond `result_limit` results of one query can be reached, as with the
real service. A token belongs to its query: with another one it is refused.

Not guaranteed: the order that the real service gives. Ties are broken by reference.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.servers.catalogue import Record, Version

MOST_A_PAGE = 200
_PAGE = 20
_TOKEN = re.compile(r"([0-9a-f]{12})-([0-9]{1,9})-[0-9]{1,9}")

_TYPES = {
    "ALL": (),
    "CSV": (".csv",),
    "SQLITE": (".sqlite", ".sqlite3", ".db"),
    "JSON": (".json",),
    "BIG_QUERY": (".bigquery",),
    "PARQUET": (".parquet",),
}
_LICENCES = {
    "CC": re.compile(r"\bcc\b|\bcc0|creative commons|^cc-", re.IGNORECASE),
    "GPL": re.compile(r"\bl?a?gpl|\bgnu\b", re.IGNORECASE),
    "ODB": re.compile(r"open database|open data commons|\bodbl|\bdbcl|\bpddl", re.IGNORECASE),
}
_SORTS: dict[str, Callable[[Record], tuple[float, ...] | str]] = {
    "HOTTEST": lambda r: (_number(r, "voteCount") + 0.1 * _number(r, "downloadCount"),),
    "VOTES": lambda r: (_number(r, "voteCount"),),
    "UPDATED": lambda r: str(r.get("lastUpdated", "")),
    "ACTIVE": lambda r: (_number(r, "kernelCount"), _number(r, "viewCount")),
    "PUBLISHED": lambda r: (_number(r, "id"),),
    "RELEVANCE": lambda r: (_number(r, "viewCount"),),
    "LAST_VIEWED": lambda r: (_number(r, "viewCount"),),
    "USABILITY": lambda r: (_number(r, "usabilityRating"),),
    "DOWNLOAD_COUNT": lambda r: (_number(r, "downloadCount"),),
    "NOTEBOOK_COUNT": lambda r: (_number(r, "kernelCount"),),
}


class BadRequestError(ValueError):
    """The request cannot be understood."""


@dataclass(frozen=True)
class Query:
    """What is asked for, without the page."""

    sort_by: str
    file_type: str
    licence: str
    tags: tuple[str, ...]
    search: str
    user: str
    min_size: int | None
    max_size: int | None

    @classmethod
    def read(cls, body: Record) -> "Query":
        """The query in the body of a request."""
        tags = text(body, "tagIds").casefold().split(",")
        return cls(
            sort_by=_named(body, "sortBy", "DATASET_SORT_BY_", "HOTTEST", _SORTS),
            file_type=_named(body, "fileType", "DATASET_FILE_TYPE_GROUP_", "ALL", _TYPES),
            licence=_named(
                body, "license", "DATASET_LICENSE_GROUP_", "ALL", ("ALL", *_LICENCES, "OTHER")
            ),
            tags=tuple(sorted({tag.strip() for tag in tags if tag.strip()})),
            search=text(body, "search").strip().casefold(),
            user=text(body, "user").casefold(),
            min_size=whole(body, "minSize"),
            max_size=whole(body, "maxSize"),
        )

    def select(self, versions: Sequence[Version]) -> list[Record]:
        """The records that match, in order."""
        matching = [version.record for version in versions if self._matches(version)]
        return sorted(matching, key=_SORTS[self.sort_by], reverse=True)

    def _matches(self, version: Version) -> bool:
        record = version.record
        size = _number(record, "totalBytes")
        owner = str(record.get("ownerRef") or version.ref.partition("/")[0])
        words = " ".join(str(record.get(name, "")) for name in ("title", "subtitle", "ref"))
        return (
            (self.min_size is None or size >= self.min_size)
            and (self.max_size is None or size <= self.max_size)
            and (not self.user or owner.casefold() == self.user)
            and (self.licence == "ALL" or _licence_group(record) == self.licence)
            and (not self.tags or _tags(record).issuperset(self.tags))
            and self.search in words.casefold()
            and (self.file_type == "ALL" or self._has_type(version))
        )

    def _has_type(self, version: Version) -> bool:
        """Datasets that are only listed count as CSV."""
        if version.folder is None:
            return self.file_type == "CSV"
        endings = _TYPES[self.file_type]
        return any(str(file["name"]).casefold().endswith(endings) for file in version.files)


@dataclass(frozen=True)
class Page:
    """One page of the results of something that has a name."""

    name: str
    """Twelve hex digits of what is paged."""
    start: int
    size: int

    @classmethod
    def read(cls, body: Record, subject: object) -> "Page":
        """The page in the body of a request; the token counts, else the number of the page."""
        name = hashlib.sha256(repr(subject).encode()).hexdigest()[:12]
        size = min(max(whole(body, "pageSize") or _PAGE, 1), MOST_A_PAGE)
        token = text(body, "pageToken")
        if not token:
            return cls(name, (max(whole(body, "page") or 1, 1) - 1) * size, size)
        match = _TOKEN.fullmatch(token)
        if match is None or match[1] != name:
            raise BadRequestError("the page token is not one of this query")
        return cls(name, int(match[2]), size)

    def cut(self, results: Sequence[Record]) -> tuple[list[Record], str]:
        """The items on it, and the token of the next page: empty on the last one."""
        end = self.start + self.size
        return list(results[self.start : end]), self.token(end) if end < len(results) else ""

    def token(self, start: int, nonce: int = 0) -> str:
        """A token for the page that begins at an item; the nonce makes it another token."""
        return f"{self.name}-{start}-{nonce}"


def text(body: Record, name: str) -> str:
    """A text field, empty where it is left out."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise BadRequestError(f"{name}: expected text")
    return value or ""


def whole(body: Record, name: str) -> int | None:
    """A field with a whole number."""
    value = body.get(name)
    if value is not None and (not isinstance(value, int) or abs(value) >= 1 << 63):
        raise BadRequestError(f"{name}: expected a whole number")
    return value


def _named(
    body: Record, name: str, prefix: str, default: str, known: Mapping[str, Any] | Sequence[str]
) -> str:
    """A field with the name of an enum value, as the client sends it."""
    value = text(body, name).removeprefix(prefix) or default
    if value not in known:
        raise BadRequestError(f"{name}: expected {prefix} and one of {', '.join(known)}")
    return value


def _number(record: Record, name: str) -> float:
    value = record.get(name)
    return value if isinstance(value, int | float) else 0


def _tags(record: Record) -> set[str]:
    tags = record.get("tags")
    entries = [tag for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
    return {str(tag.get(key)).casefold() for tag in entries for key in ("name", "ref")}


def _licence_group(record: Record) -> str:
    name = str(record.get("licenseName") or "")
    return next((group for group, form in _LICENCES.items() if form.search(name)), "OTHER")
