"""A source that is a directory in Kaggle's own layout.

`<owner>/<slug>/` holds the files of a dataset and `dataset-metadata.json`, optionally
`list-record.json` (one record of the list call: version, last update, licence text) and
`files-record.json`; what `opendare fetch` brought has `fetch-record.json` too, with the SHA-256 of
every file, or why only the records are there. The metadata is read tolerantly, because the official
client has written it in several shapes: flat, under `info`, or as JSON text inside a JSON string;
fields may be missing.

Names on disk are hostile: links that leave the dataset's folder, devices and absurd names are not
opened. Not guaranteed: that nobody changes the directory while it is read.
"""

import json
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from extract.dataset import DatasetRef, SkippedFile
from extract.drop import Drop, Reason, dataset_drop
from extract.licenses import Statement
from extract.records import FETCH_RECORD, LIST_RECORD, METADATA, RECORDS
from extract.source import Listing

_RECORD_BYTES = 8 << 20
_FILES = 10_000
_NAME_CHARS = 200
_TITLE_CHARS = 300
_DESCRIPTION_CHARS = 20_000
_TAGS = 50
_URL = re.compile(r"https?://[\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]{1,500}")


class MirrorSource:
    """Datasets of one mirror directory."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def refs(self) -> tuple[DatasetRef, ...]:
        """All `<owner>/<slug>/` with a usable name, sorted; the version is the list record's."""
        found = []
        for folder in sorted(self.root.glob("*/*/")):
            if not folder.resolve().is_relative_to(self.root):
                continue
            try:
                ref = DatasetRef(owner=folder.parent.name, slug=folder.name)
            except ValidationError:
                continue
            found.append(ref.model_copy(update={"version": _version(folder)}))
        return tuple(sorted(found, key=lambda ref: (ref.owner, ref.slug)))

    def listing(self, ref: DatasetRef) -> Listing | Drop:
        """Files and metadata of one dataset; wrong metadata is a `bad_metadata` drop."""
        return read_listing(self.root / ref.owner / ref.slug, ref)


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
        description=_text(info.get("description")) or _text(record.get("description")),
        tags=tag_names(info.get("keywords"), record.get("tags")),
        creator=owner or ref.owner,
        url=url if _URL.fullmatch(url) else f"https://www.kaggle.com/datasets/{ref.key}",
        updated_at=instant(record.get("lastUpdated") or info.get("lastUpdated")),
        statements=(*_said_in_list(record), *_said_in_metadata(info)),
    )


class _BadMetadataError(Exception):
    def __init__(self, detail: str, evidence: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.evidence = _text(evidence)


def _version(folder: Path) -> int:
    try:
        version = _record(folder, LIST_RECORD).get("currentVersionNumber")
    except _BadMetadataError:
        version = None
    if isinstance(version, int) and not isinstance(version, bool) and version >= 1:
        return version
    return 1


def _metadata(folder: Path) -> dict[str, Any]:
    """The metadata, whatever wrapping it has; empty when only the list record is there."""
    found = _record(folder, METADATA)
    if not any((folder / name).exists() for name in (METADATA, LIST_RECORD)):
        raise _BadMetadataError(f"expected {METADATA} or {LIST_RECORD}, found neither")
    info = found.get("info", found)
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
        found = json.loads(data)
        found = json.loads(found) if isinstance(found, str) else found
    except (ValueError, RecursionError) as error:
        excerpt = data[:200].decode("utf-8", "replace")
        raise _BadMetadataError(f"{name}: expected JSON: {error}", excerpt) from error
    if not isinstance(found, dict):
        raise _BadMetadataError(f"{name}: expected a JSON object", repr(found)[:200])
    return found


def _hashes(record: dict[str, Any]) -> dict[str, str]:
    """SHA-256 by name, as far as a fetch has recorded them."""
    files = record.get("files")
    found = [file for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    return {line(file.get("name")): line(file.get("sha256")) for file in found}


def _check_identity(info: dict[str, Any], ref: DatasetRef) -> None:
    """Metadata of another dataset would bring the wrong licence along."""
    split = [line(info.get(name)) for name in ("ownerUser", "datasetSlug")]
    for said in (line(info.get("id")), "/".join(split) if all(split) else ""):
        if "/" in said and said.casefold() != ref.key.casefold():
            raise _BadMetadataError(
                f"{METADATA}: expected the dataset {ref.key}, found another", said
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
            shown = name.encode("ascii", "backslashreplace").decode()[:_NAME_CHARS]
            skipped.append(SkippedFile(name=line(shown), reason=refusal[0], detail=refusal[1]))
    return tuple(files), tuple(skipped)


def _walk(folder: Path) -> Iterator[Path]:
    """At most `_FILES` paths that are not directories; links are not followed."""
    n = 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in sorted(names + links):
            path = Path(place) / name
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


def _said_in_list(record: dict[str, Any]) -> Iterator[Statement]:
    names = [record.get("licenseName"), record.get("licenseNameNullable")]
    for text in dict.fromkeys(_said(name) for name in names if name not in (None, "")):
        yield Statement(where=f"{LIST_RECORD}: licenseName", text=text)


def _said_in_metadata(info: dict[str, Any]) -> Iterator[Statement]:
    """Whatever field it stands in: who says two things means the stricter."""
    entries: list[Any] = []
    for field in ("licenses", "license", "licenseName"):
        said = info.get(field)
        entries += said if isinstance(said, list) else [said]
    names = [entry.get("name") if isinstance(entry, dict) else entry for entry in entries]
    wanted = (name for entry, name in zip(entries, names, strict=True) if entry not in (None, ""))
    for text in dict.fromkeys(map(_said, wanted)):
        yield Statement(where=f"{METADATA}: licenses", text=text)


def _said(licence: object) -> str:
    """A statement as one line. What is cut or no text gets words that no licence has."""
    if not line(licence):
        return "[no text]"
    is_cut = isinstance(licence, str) and len(licence) > _TITLE_CHARS
    return f"{line(licence)} [cut]" if is_cut else line(licence)


def tag_names(keywords: object, tags: object) -> tuple[str, ...]:
    """Keywords of the metadata, else the names of the record's tags; sorted, each once."""
    found = keywords if isinstance(keywords, list) and keywords else tags
    names = {
        line(tag.get("name") if isinstance(tag, dict) else tag)
        for tag in (found if isinstance(found, list) else [])
    }
    return tuple(sorted(names - {""}))[:_TAGS]


def instant(value: object) -> str | None:
    """ISO 8601 in UTC to the second, None for what is no instant."""
    try:
        instant = datetime.fromisoformat(line(value))
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    try:
        return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except OverflowError:
        return None


def line(value: object) -> str:
    """Foreign text as one bounded line; empty for what is no text."""
    return " ".join(_text(value).split())[:_TITLE_CHARS].strip()


def _text(value: object) -> str:
    """Foreign text, bounded, with line feeds but no other control characters."""
    if not isinstance(value, str):
        return ""
    value = value[: 2 * _DESCRIPTION_CHARS].replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(
        c if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs"} else " "
        for c in value
    )
    return kept.strip()[:_DESCRIPTION_CHARS]
