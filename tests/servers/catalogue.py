"""Which datasets the loopback Kaggle has, in which versions.

Enters: a directory in Kaggle's layout, list records of datasets without files, and later versions.
Leaves: versions by reference and number, the current records of all, sorted by reference.

What is on disk may be hostile: records that are no JSON objects count as missing, and metadata is
served byte for byte. The one exception is metadata in the form that uploads have (flat, with an
`id` of `owner/slug`), which the service never answers: it is put in the form of an answer.

Not guaranteed: the content of a version whose folder is changed before its first download.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from tests.servers.archives import FILES_RECORD, LIST_RECORD, METADATA, files_of

Record = Mapping[str, Any]

_FIRST = datetime(2024, 1, 1, tzinfo=UTC)


class MissingError(LookupError):
    """There is no such dataset, or no such version of it."""


@dataclass(frozen=True)
class Version:
    """One version of one dataset."""

    ref: str
    number: int
    folder: Path | None
    """None for a dataset that is only listed."""
    record: Record
    metadata: bytes
    """What the metadata call answers."""
    files: tuple[Record, ...]
    halved: bool = False
    """Whether it was never published: the newer version of a fault, with half of each file."""

    @property
    def last_modified(self) -> str:
        """The last update as an HTTP date."""
        return format_datetime(_instant(self.record.get("lastUpdated")), usegmt=True)


@dataclass
class _Dataset:
    current: Version
    versions: dict[int, Version] = field(default_factory=dict)


class Catalogue:
    """All datasets; safe to read and change from several threads."""

    def __init__(self, mirror: Path | None, records: Sequence[Record]) -> None:
        self._lock = threading.Lock()
        self._datasets: dict[str, _Dataset] = {}
        self._listed: tuple[Version, ...] | None = None
        for folder in sorted(mirror.glob("[!.]*/[!.]*/")) if mirror else ():
            self.add(read_version(f"{folder.parent.name}/{folder.name}", folder))
        for record in records:
            if record["ref"] not in self._datasets:
                self.add(_only_listed(record))

    def add(self, version: Version) -> None:
        """Make it the current version; earlier ones stay."""
        with self._lock:
            dataset = self._datasets.setdefault(version.ref, _Dataset(version))
            dataset.current = dataset.versions[version.number] = version
            self._listed = None

    def withdraw(self, ref: str) -> None:
        """Forget a dataset with all its versions."""
        with self._lock:
            if self._datasets.pop(ref, None) is None:
                raise MissingError(ref)
            self._listed = None

    def find(self, ref: str, number: int | None = None) -> Version:
        """A version, the current one without a number."""
        with self._lock:
            dataset = self._datasets.get(ref)
            if dataset is None:
                raise MissingError(ref)
            version = dataset.current if number is None else dataset.versions.get(number)
        if version is None:
            raise MissingError(f"{ref}/{number}")
        return version

    def listed(self) -> tuple[Version, ...]:
        """The current versions, by reference; the same object until something changes."""
        with self._lock:
            if self._listed is None:
                self._listed = tuple(self._datasets[ref].current for ref in sorted(self._datasets))
            return self._listed


def read_version(ref: str, folder: Path, after: Version | None = None, number: int = 0) -> Version:
    """The version in a folder: as its records say, or with a number after an earlier version."""
    info = _object(folder / METADATA)
    info = info.get("info", info) if isinstance(info.get("info", info), dict) else {}
    sizes = files_of(folder)
    made, given = _made_record(ref, info, sum(sizes.values())), _object(folder / LIST_RECORD)
    if given:
        # A record that says nothing of its licence stays silent: it is evidence.
        made.pop("licenseName", None)
    record = {**made, **given}
    if after:
        record = {**after.record, **record, "currentVersionNumber": number}
        before = _instant(after.record.get("lastUpdated"))
        if _instant(record.get("lastUpdated")) <= before:
            record["lastUpdated"] = _written(before + timedelta(days=1))
    elif number:
        record["currentVersionNumber"] = number
    said = record.get("currentVersionNumber")
    return Version(
        ref=ref,
        number=said if isinstance(said, int) and said >= 1 else 1,
        folder=folder,
        record=record,
        metadata=_metadata(ref, folder / METADATA, record),
        files=tuple(_file_records(ref, folder, sizes, record)),
    )


def never_published(version: Version) -> Version:
    """A newer version with other bytes, which only a download without a number can meet."""
    return replace(version, number=version.number + 1, halved=True)


def _only_listed(record: Record) -> Version:
    said = record.get("currentVersionNumber")
    ref = str(record["ref"])
    metadata = json.dumps({"info": _info(ref, record)}).encode()
    return Version(ref, said if isinstance(said, int) else 1, None, record, metadata, ())


def _made_record(ref: str, info: Record, total_bytes: int) -> dict[str, Any]:
    """What the list call says about a dataset without a list record."""
    licences = info.get("licenses")
    first = licences[0] if isinstance(licences, list) and licences else {}
    keywords = info.get("keywords")
    tags = [str(word) for word in keywords] if isinstance(keywords, list) else []
    made = {
        "ref": ref,
        "title": info.get("title") or ref.partition("/")[2],
        "subtitle": info.get("subtitle"),
        "totalBytes": total_bytes,
        "url": f"https://www.kaggle.com/datasets/{ref}",
        "lastUpdated": _written(_FIRST),
        "licenseName": first.get("name") if isinstance(first, dict) else None,
        "ownerRef": ref.partition("/")[0],
        "currentVersionNumber": 1,
        "usabilityRating": info.get("usabilityRating"),
        "tags": [{"ref": word, "name": word} for word in tags],
    }
    return {name: value for name, value in made.items() if value is not None}


def _metadata(ref: str, path: Path, record: Record) -> bytes:
    if not path.is_file():
        return json.dumps({"info": _info(ref, record)}).encode()
    flat = _object(path)
    key = flat.get("id")
    if "info" not in flat and isinstance(key, str) and key.count("/") == 1:
        owner, slug = key.split("/")
        return json.dumps({"info": {"ownerUser": owner, "datasetSlug": slug, **flat}}).encode()
    return path.read_bytes()


def _info(ref: str, record: Record) -> dict[str, Any]:
    owner, _, slug = ref.partition("/")
    kept = ("title", "subtitle", "description", "usabilityRating")
    licence = record.get("licenseName")
    return {
        "ownerUser": owner,
        "datasetSlug": slug,
        **{name: record[name] for name in kept if record.get(name) is not None},
        "licenses": [{"name": licence}] if licence else [],
    }


def _file_records(
    ref: str, folder: Path, sizes: Mapping[str, int], record: Record
) -> list[dict[str, Any]]:
    """One record a file: what `files-record.json` says, over what the file itself says."""
    entries = _object(folder / FILES_RECORD).get("datasetFiles")
    entries = entries if isinstance(entries, list) else []
    said = {entry.get("name"): entry for entry in entries if isinstance(entry, dict)}
    return [
        {
            "ref": name,
            "datasetRef": ref,
            "ownerRef": ref.partition("/")[0],
            "name": name,
            "creationDate": record.get("lastUpdated"),
            "fileType": Path(name).suffix,
            **said.get(name, {}),
            "totalBytes": size,
        }
        for name, size in sizes.items()
    ]


def _object(path: Path) -> dict[str, Any]:
    """One JSON object; empty where there is none that can be read."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _instant(text: object) -> datetime:
    try:
        return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)
    except ValueError:
        return _FIRST


def _written(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
