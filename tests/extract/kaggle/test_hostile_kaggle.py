"""The corpus as datasets of Kaggle, through the real client: refused one by one, good ones kept."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from extract.dataset import DatasetRef
from extract.drop import Drop
from extract.kaggle.cache import Cache
from extract.kaggle.limits import KaggleLimits
from extract.kaggle.queries import Search
from extract.kaggle.source import KaggleSource
from extract.licenses import LicenceConfig, admit
from extract.source import Listing, Opening
from extract.sources.kaggle import KaggleConfig
from extract.sources.mirror import MirrorSource
from tests.extract.hostile import CELLS, OWNER, archives, metadata
from tests.servers.kaggle import LoopbackKaggle

_ATTEMPTS = 2
_MAX_BYTES = 12 << 20
_GOOD = ("good/one", "good/two")
_HUGE = "archives/huge"
_LIMITS = KaggleLimits(
    call_timeout_s=60,
    connections=2,
    calls_per_minute=10**6,
    attempts=_ATTEMPTS,
    archive_attempts=_ATTEMPTS,
    first_pause_s=0.001,
    longest_pause_s=0.01,
    read_timeout_s=60,
    address_s=600,
    max_bytes=_MAX_BYTES,
)
_LIKE_AN_OUTAGE = ("no-json", "no-content", "null", "binary")
"""Metadata that a mirror refuses, and that from a service may be another one the next time."""
_RECORD = {
    "currentVersionNumber": 1,
    "title": "",
    "subtitle": "",
    "tags": [],
    "lastUpdated": "2024-01-01T00:00:00Z",
}

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Fetched:
    """What came of fetching everything, once."""

    mirror: Path
    cache: Path
    results: Mapping[str, Listing | Drop]
    downloads: Mapping[str, int]
    before: Mapping[str, bytes]
    after: Mapping[str, bytes]


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Fetched:
    root = tmp_path_factory.mktemp("hostile")
    mirror, cache = root / "mirror", root / "here" / "cache"
    write_mirror(mirror)
    cache.mkdir(parents=True)
    for place in (root, root / "here"):
        (place / "slip.csv").write_bytes(b"mine")
    before = outside(root, cache)
    with LoopbackKaggle(mirror) as server:
        opening = Opening(cache, LicenceConfig(), server.environment)
        wanted = KaggleConfig(searches=(Search(),))
        source = KaggleSource(Cache(cache), opening, wanted, _LIMITS)
        with source, ThreadPoolExecutor(_LIMITS.connections) as threads:
            refs = source.refs()
            results = dict(zip((r.key for r in refs), threads.map(source.fetch, refs), strict=True))
        downloads = {key: server.count("DownloadDataset", key) for key in results}
    return Fetched(mirror, cache, results, downloads, before, outside(root, cache))


def write_mirror(root: Path) -> None:
    for key in _GOOD:
        (folder_of(root, key) / "a.csv").write_bytes(CELLS)
    for archive in archives():
        folder = folder_of(root, f"archives/{archive.name}")
        (folder / "archive.zip.raw").write_bytes(archive.data)
    huge = b"PK\x03\x04" + bytes(_MAX_BYTES)
    (folder_of(root, _HUGE) / "archive.zip.raw").write_bytes(huge)
    for case in metadata():
        folder = folder_of(root, f"{OWNER}/{case.name}", case.listed_licence)
        (folder / "dataset-metadata.json").write_bytes(case.data)
        (folder / "a.csv").write_bytes(CELLS)


def folder_of(root: Path, key: str, licence: str = "CC0: Public Domain") -> Path:
    folder = root / key
    folder.mkdir(parents=True)
    record = {**_RECORD, "ref": key, "licenseName": licence or None}
    (folder / "list-record.json").write_text(json.dumps(record))
    (folder / "dataset-metadata.json").write_text('{"info": {"licenses": [{"name": "CC0-1.0"}]}}')
    return folder


def outside(root: Path, cache: Path) -> dict[str, bytes]:
    """Everything but the cache."""
    paths = (path for path in sorted(root.rglob("*")) if cache not in (path, *path.parents))
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in paths}


def test_good_datasets_are_fetched_beside_hostile_ones(fetched: Fetched) -> None:
    for key in _GOOD:
        listing = fetched.results[key]
        assert isinstance(listing, Listing), listing
        assert listing.files == ("a.csv",)
        assert (listing.folder / "a.csv").read_bytes() == CELLS
    assert len(fetched.results) == len(_GOOD) + len(archives()) + 1 + len(metadata())


def test_each_archive_gets_its_reason(fetched: Fetched) -> None:
    wrong = {}
    for archive in archives():
        result = fetched.results[f"archives/{archive.name}"]
        message = f"{result.reason} {result.detail}" if isinstance(result, Drop) else ""
        expected = f"bad_archive {archive.reason}:" if archive.reason else ""
        if archive.pending:
            expected = "unreachable storage: expected a ZIP archive, found a text"
        is_owed = isinstance(result, Drop) and result.transient
        if (
            not message.startswith(expected)
            or bool(message) != bool(expected)
            or is_owed != archive.pending
        ):
            wrong[archive.name] = (expected, message)
    assert wrong == {}
    huge = fetched.results[_HUGE]
    assert isinstance(huge, Drop)
    assert (huge.reason, huge.transient) == ("too_large", False)


def test_broken_bytes_are_brought_again_and_hostile_ones_are_not(fetched: Fetched) -> None:
    for archive in archives():
        expected = _ATTEMPTS if archive.reason == "broken" else 1
        assert fetched.downloads[f"archives/{archive.name}"] == expected, archive.name


def test_each_metadata_gets_the_reason_that_a_mirror_gives(fetched: Fetched) -> None:
    mirror, wrong = MirrorSource(fetched.mirror), {}
    for case in metadata():
        key = f"{OWNER}/{case.name}"
        here = verdict(mirror, ref_of(key))
        there = fetched.results[key]
        if isinstance(there, Listing):
            there = admitted(there)
        if case.name in _LIKE_AN_OUTAGE:
            assert isinstance(there, Drop)
            assert (there.reason, there.transient) == ("unreachable", True), case.name
            continue
        reasons = tuple(one.reason if isinstance(one, Drop) else "" for one in (here, there))
        if reasons != (case.reason, case.reason) or said(here) != said(there):
            wrong[case.name] = (case.reason, *reasons)
    assert wrong == {}


def test_what_is_told_is_one_bounded_printable_line(fetched: Fetched) -> None:
    for key, result in fetched.results.items():
        texts = [result.detail] if isinstance(result, Drop) else [result.title, result.subtitle]
        texts += [] if isinstance(result, Drop) else [one.text for one in result.statements]
        for text in texts:
            assert text.isprintable(), key
            assert len(text) <= 500, key


def test_nothing_outside_the_cache_has_changed(fetched: Fetched) -> None:
    assert fetched.after == fetched.before
    assert not Path("/slip.csv").exists()
    assert not Path("owned").exists()


def test_the_cache_holds_what_was_fetched_and_no_poison(fetched: Fetched) -> None:
    kept = {
        key
        for key, result in fetched.results.items()
        if isinstance(result, Listing) or result.reason not in ("bad_archive", "too_large")
        if not (isinstance(result, Drop) and result.transient)
    }
    versions = fetched.cache / ".versions"
    shown = {f"{path.parent.name}/{path.name}" for path in fetched.cache.glob("[!.]*/*")}
    assert {path.relative_to(versions).as_posix() for path in versions.glob("*/*/*")} == {
        f"{key}/1" for key in kept
    }
    assert shown == kept
    left = [path for path in (fetched.cache / ".partial").rglob("*") if path.is_file()]
    assert {path.name for path in left} <= {"list-record.json", "dataset-metadata.json"}
    names = {path.name for path in versions.rglob("*") if not path.is_dir() or path.is_symlink()}
    assert {name for name in names if "slip" in name or name.startswith("archive.zip")} == set()
    assert [path for path in versions.rglob("*") if path.is_symlink()] == []


def test_the_cache_is_read_as_the_service_was(fetched: Fetched) -> None:
    source = MirrorSource(fetched.cache)
    refs = {ref.key: ref for ref in source.refs()}
    for key, result in fetched.results.items():
        if key in refs:
            assert said(verdict(source, refs[key])) == said(
                admitted(result) if isinstance(result, Listing) else result
            ), key
            if isinstance(result, Listing):
                again = source.fetch(refs[key])
                assert isinstance(again, Listing)
                assert (again.files, again.hashes) == (result.files, result.hashes)


def ref_of(key: str) -> DatasetRef:
    owner, slug = key.split("/")
    return DatasetRef(owner=owner, slug=slug)


def verdict(source: MirrorSource, ref: DatasetRef) -> Listing | Drop:
    """What reading makes of a dataset, up to its licence."""
    result = source.fetch(ref)
    return admitted(result) if isinstance(result, Listing) else result


def admitted(listing: Listing) -> Listing | Drop:
    licence = admit(listing.ref, listing.statements, LicenceConfig())
    return licence if isinstance(licence, Drop) else listing


def said(result: Listing | Drop) -> str:
    """Everything that a dataset says of itself, or why it was refused."""
    return result.model_dump_json(exclude={"folder", "files", "hashes", "skipped"})
