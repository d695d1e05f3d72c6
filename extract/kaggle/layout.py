"""Reads the folder of one dataset in Kaggle's own layout.

The folder holds the files of a dataset and `dataset-metadata.json`, optionally
`list-record.json` (one record of the list call: version, last update, licence text) and
`files-record.json`; what `opendare fetch` brought has `fetch-record.json` too, with the SHA-256 of
every file, or why only the records are there. The metadata is read tolerantly, because the official
client has written it in several shapes: flat, under `info`, or as JSON text inside a JSON string;
fields may be missing.

Takes a folder and the reference it is said to be; returns a `Listing`, or a `bad_metadata` drop.
Names on disk are hostile: links that leave the dataset's folder, devices and absurd names are not
opened. Not guaranteed: that nobody changes the folder while it is read.
"""

import json
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from extract.dataset import DatasetRef, SkippedFile
from extract.drop import Drop, Reason, dataset_drop
from extract.kaggle.fields import instant, line, statements, tag_names
from extract.records import FETCH_RECORD, LIST_RECORD, METADATA, RECORDS
from extract.source import Listing
from extract.untrusted_text import one_line, paragraphs

# Bounds on hostile folders, well above what a dataset needs.
_RECORD_BYTES = 8 << 20
_FILES = 10_000
_NAME_CHARS = 200
_DESCRIPTION_CHARS = 20_000
_URL = re.compile(r"https?://[\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]{1,500}")


def read_listing(folder: Path, ref: DatasetRef) -> Listing | Drop:
    """The dataset that lies in `folder`; wrong metadata is a `bad_metadata` drop."""
    try:
        info, record = _metadata(folder), _record(folder, LIST_RECORD)
        _check_identity(info, ref)
        fetched = _record(folder, FETCH_RECORD)
    except _BadMetadataError as error:
        return dataset_drop(ref.key, Reason.BAD_METADATA, error.detail, evidence=error.evidence)
    files, skipped = _files(folder)
    owner = line(record.get("creatorName")) or line(record.get("ownerName"))
    url = line(record.get("url"))
    return Listing(
        ref=ref,
        folder=folder,
        files=files,
        hashes=_hashes(fetched),
        withheld=line(fetched.get("withheld")),
        skipped=skipped,
        title=line(info.get("title")) or line(record.get("title")),
        subtitle=line(info.get("subtitle")) or line(record.get("subtitle")),
        description=_description(info) or _description(record),
        tags=tag_names(info.get("keywords"), record.get("tags")),
        creator=owner or ref.owner,
        url=url if _URL.fullmatch(url) else f"https://www.kaggle.com/datasets/{ref.key}",
        updated_at=instant(record.get("lastUpdated") or info.get("lastUpdated")),
        statements=statements(info, record),
    )


def _description(fields: dict[str, Any]) -> str:
    return paragraphs(fields.get("description"), _DESCRIPTION_CHARS)


class _BadMetadataError(Exception):
    def __init__(self, detail: str, evidence: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.evidence = paragraphs(evidence, _DESCRIPTION_CHARS)


def listed_version(folder: Path) -> int:
    """The version that the list record names, 1 where none does."""
    try:
        version = _record(folder, LIST_RECORD).get("currentVersionNumber")
    except _BadMetadataError:
        version = None
    if isinstance(version, int) and not isinstance(version, bool) and version >= 1:
        return version
    return 1


def _metadata(folder: Path) -> dict[str, Any]:
    """The metadata, whatever wrapping it has; empty when only the list record is there."""
    metadata = _record(folder, METADATA)
    if not any((folder / name).exists() for name in (METADATA, LIST_RECORD)):
        raise _BadMetadataError(f"expected {METADATA} or {LIST_RECORD}, found neither")
    info = metadata.get("info", metadata)
    if not isinstance(info, dict):
        raise _BadMetadataError(f"{METADATA}: expected an object in `info`", repr(info))
    return info


def _record(folder: Path, name: str) -> dict[str, Any]:
    """One JSON object beside the data, empty when there is no such file."""
    path = folder / name
    if not path.exists() and not path.is_symlink():
        return {}
    if _refusal(path, folder) is not None:
        raise _BadMetadataError(f"{name}: expected a regular file inside the dataset's folder")
    with path.open("rb") as file:
        data = file.read(_RECORD_BYTES + 1)
    if len(data) > _RECORD_BYTES:
        raise _BadMetadataError(f"{name}: expected at most {_RECORD_BYTES} bytes")
    try:
        record = json.loads(data)
        # Older clients wrote the object as text in a JSON string.
        record = json.loads(record) if isinstance(record, str) else record
    except (ValueError, RecursionError) as error:
        excerpt = data[:200].decode("utf-8", "replace")
        raise _BadMetadataError(f"{name}: expected JSON: {error}", excerpt) from error
    if not isinstance(record, dict):
        raise _BadMetadataError(f"{name}: expected a JSON object", repr(record)[:200])
    return record


def _hashes(record: dict[str, Any]) -> dict[str, str]:
    """SHA-256 by name, as far as a fetch has recorded them."""
    files = record.get("files")
    listed = [file for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    return {line(file.get("name")): line(file.get("sha256")) for file in listed}


def _check_identity(info: dict[str, Any], ref: DatasetRef) -> None:
    """Metadata of another dataset would bring the wrong licence along."""
    parts = [line(info.get(name)) for name in ("ownerUser", "datasetSlug")]
    for name in (line(info.get("id")), "/".join(parts) if all(parts) else ""):
        if "/" in name and name.casefold() != ref.key.casefold():
            raise _BadMetadataError(
                f"{METADATA}: expected the dataset {ref.key}, found another", name
            )


def _files(folder: Path) -> tuple[tuple[str, ...], tuple[SkippedFile, ...]]:
    """Readable files and refused ones, both sorted by name."""
    files, skipped = [], []
    for path in sorted(_walk(folder)):
        name = path.relative_to(folder).as_posix()
        refusal = _refusal(path, folder)
        if refusal is None:
            files.append(name)
        else:
            shown = one_line(name.encode("ascii", "backslashreplace").decode(), _NAME_CHARS)
            skipped.append(SkippedFile(name=shown, reason=refusal[0], detail=refusal[1]))
    return tuple(files), tuple(skipped)


def _walk(folder: Path) -> Iterator[Path]:
    """At most `_FILES` paths that are not directories; links are not followed."""
    n = 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in sorted(names + links):
            path = Path(place) / name
            # Below the top a dataset may call its files what it likes.
            if path.parent == folder and name in RECORDS:
                continue
            n += 1
            if n > _FILES:
                return
            yield path


def _refusal(path: Path, folder: Path) -> tuple[str, str] | None:
    """Why a path must not be opened: reason and detail."""
    name = path.relative_to(folder).as_posix()
    if len(name) > _NAME_CHARS or any(unicodedata.category(c) in {"Cc", "Cs"} for c in name):
        return "bad_name", f"expected at most {_NAME_CHARS} printable characters"
    try:
        inside = path.resolve(strict=True).is_relative_to(folder.resolve())
        regular = stat.S_ISREG(path.stat().st_mode)
    except (OSError, RuntimeError):
        return "broken_link", "it points to nothing"
    if not inside:
        return "outside", "it is a link that leaves the dataset's folder"
    return None if regular else ("not_a_file", "expected a regular file")
