"""Kaggle as a source: what is fetched, what is not fetched again, and what cannot be had."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from extract.drop import Drop
from extract.files.file_lock import InUseError
from extract.kaggle.cache import Cache, CacheError
from extract.kaggle.limits import KaggleLimits
from extract.kaggle.queries import Search
from extract.kaggle.service import ServiceFault
from extract.kaggle.source import KaggleSource
from extract.licenses import LicenceConfig
from extract.memory import Memory
from extract.reading.limits import ReadConfig
from extract.reading.read import read_dataset
from extract.source import Listing, Opening
from extract.sources.kaggle import KaggleConfig
from extract.sources.mirror import MirrorSource
from extract.store import Store
from extract.workers import Workers
from tests.servers.kaggle import Faults, LoopbackKaggle
from tests.small_mirror import GOOD

pytestmark = pytest.mark.slow

QUICK = KaggleLimits(
    call_timeout_s=3,
    connections=2,
    attempts=2,
    first_pause_s=0.01,
    longest_pause_s=0.1,
    calls_per_minute=60_000,
    read_timeout_s=2,
    address_s=5,
)


@contextmanager
def opened(
    server: LoopbackKaggle, folder: Path, limits: KaggleLimits = QUICK, **wanted: Any
) -> Iterator[KaggleSource]:
    """The source, with a search for everything unless `wanted` says otherwise."""
    config, cache = KaggleConfig(**{"searches": (Search(),), **wanted}), Cache(folder)
    opening = Opening(folder, LicenceConfig(), server.environment)
    with cache.held(), KaggleSource(cache, opening, config, limits) as source:
        yield source


def all_of(source: KaggleSource) -> dict[str, Listing | Drop]:
    return {ref.key: source.fetch(ref) for ref in source.refs()}


def reasons(results: dict[str, Listing | Drop]) -> dict[str, str]:
    return {key: item.reason for key, item in results.items() if isinstance(item, Drop)}


def same_as_mirror(results: dict[str, Listing | Drop], mirror: Path) -> None:
    expected = {ref.key: MirrorSource(mirror).fetch(ref) for ref in MirrorSource(mirror).refs()}
    listed = {key: item for key, item in results.items() if isinstance(item, Listing)}
    assert len(listed) == 9
    for key, item in listed.items():
        other = expected[key]
        assert isinstance(other, Listing)
        aside = {"folder", "hashes", "url"}
        assert item.model_dump(exclude=aside) == other.model_dump(exclude=aside)


def test_everything_comes_once(small_mirror: Path, tmp_path: Path) -> None:
    with LoopbackKaggle(small_mirror) as server:
        with opened(server, tmp_path) as source:
            results = all_of(source)
            transferred = source.bytes_transferred
        begun = len(server.requests)
        with opened(server, tmp_path) as source:
            again = all_of(source)
            assert source.bytes_transferred == 0
        asked = server.requests[begun:]
    same_as_mirror(results, small_mirror)
    assert again == results
    assert transferred > 50_000
    assert reasons(results) == {
        "bad/forbidden": "licence_refused",
        "bad/metadata": "bad_metadata",
        "bad/nobody-knows": "licence_unknown",
    }
    assert {request.rpc for request in asked} == {"ListDatasets", "GetDatasetMetadata"}
    refused = {request.ref for request in asked if request.rpc == "GetDatasetMetadata"}
    assert refused == set(reasons(results)), "what is here is not asked for again"


def test_every_version_is_pinned_recorded_and_kept(small_mirror: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(small_mirror / "ann" / "churn", newer)
    with (newer / "customers.csv").open("a") as file:
        file.write("30,1,1,1,Hof,plus,2020-01-01,no\n")
    cache = tmp_path / "cache"
    only = {"searches": (), "datasets": ("ann/churn",)}
    with LoopbackKaggle(small_mirror) as server:
        with opened(server, cache, **only) as source:
            (ref,) = source.refs()
            server.publish("ann/churn", newer, 3)
            before = source.fetch(ref)
        with opened(server, cache, **only) as source:
            (newest,) = source.refs()
            after = source.fetch(newest)
        with opened(server, cache, **{**only, "datasets": ("ann/churn/2",)}) as source:
            (pinned,) = source.refs()
            assert source.fetch(pinned) == before, "the named version, not the newest"
        stored = [(r.ref, r.version) for r in server.requests if r.rpc == "Storage"]
    assert isinstance(before, Listing)
    assert isinstance(after, Listing)
    assert (ref.version, newest.version, pinned.version) == (2, 3, 2)
    assert stored == [("ann/churn", 2), ("ann/churn", 3)]
    (name,) = after.files
    content = (newer / name).read_bytes()
    assert (cache / "ann" / "churn" / name).read_bytes() == content
    assert after.hashes == {name: hashlib.sha256(content).hexdigest()}
    versions = cache / ".versions" / "ann" / "churn"
    assert sorted(path.name for path in versions.iterdir()) == ["2", "3"]
    (shown,) = MirrorSource(cache).refs()
    assert shown.version == 3


def test_a_changed_licence_is_noticed_without_a_new_version(
    small_mirror: Path, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    shutil.copytree(small_mirror / "ann" / "churn", mirror / "ann" / "churn")
    with LoopbackKaggle(mirror) as server, opened(server, tmp_path / "cache") as source:
        assert reasons(all_of(source)) == {}
    folder = mirror / "ann" / "churn"
    info = {"id": "ann/churn", "title": "Now closed", "licenses": [{"name": "CC-BY-NC-4.0"}]}
    (folder / "dataset-metadata.json").write_text(json.dumps(info))
    record = {"currentVersionNumber": 2, "lastUpdated": "2021-03-02T00:00:00Z"}
    (folder / "list-record.json").write_text(json.dumps(record))
    with LoopbackKaggle(mirror) as server, opened(server, tmp_path / "cache") as source:
        (listing,) = all_of(source).values()
        assert server.count("Storage") == 0
    assert isinstance(listing, Listing)
    assert [s.text for s in listing.statements] == ["CC-BY-NC-4.0"]
    assert listing.title == "Now closed"


def test_an_odd_answer_ruins_nothing_that_is_here(small_mirror: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    shutil.copytree(small_mirror / "ann" / "churn", mirror / "ann" / "churn")
    with LoopbackKaggle(mirror) as server, opened(server, tmp_path / "cache") as source:
        before = all_of(source)
    folder = mirror / "ann" / "churn"
    record = {"currentVersionNumber": 2, "lastUpdated": "2021-03-02T00:00:00Z"}
    (folder / "list-record.json").write_text(json.dumps(record))
    good = (folder / "dataset-metadata.json").read_text()
    (folder / "dataset-metadata.json").write_text('{"title": "half a')
    with LoopbackKaggle(mirror) as server, opened(server, tmp_path / "cache") as source:
        assert all_of(source) == before
    (folder / "dataset-metadata.json").write_text(good)
    with LoopbackKaggle(mirror) as server, opened(server, tmp_path / "cache") as source:
        (listing,) = all_of(source).values()
    assert isinstance(listing, Listing)
    assert listing.updated_at == "2021-03-02T00:00:00Z", "it was asked for again"


@pytest.mark.parametrize(
    "answer", ["{}", "null", "", "temporarily unavailable", '{"error": {"code": 503}}']
)
def test_an_answer_without_metadata_is_owed(
    small_mirror: Path, tmp_path: Path, answer: str
) -> None:
    """Read as metadata, it would leave the licence to the record alone."""
    mirror = tmp_path / "mirror"
    shutil.copytree(small_mirror / "ann" / "churn", mirror / "ann" / "churn")
    folder = mirror / "ann" / "churn"
    record = {"currentVersionNumber": 2, "licenseName": "CC0: Public Domain"}
    (folder / "list-record.json").write_text(json.dumps(record))
    (folder / "dataset-metadata.json").write_text(answer)
    with LoopbackKaggle(mirror) as server, opened(server, tmp_path / "cache") as source:
        (drop,) = all_of(source).values()
    assert isinstance(drop, Drop)
    assert (drop.reason, drop.transient) == ("unreachable", True)


def test_a_kill_at_the_very_end_leaves_nothing(small_mirror: Path, tmp_path: Path) -> None:
    with LoopbackKaggle(small_mirror) as server:
        with opened(server, tmp_path) as source:
            all_of(source)
        left = tmp_path / ".partial" / "ann~churn~2"
        left.mkdir(parents=True)
        (left / "archive.zip").write_bytes(b"PK")
        with opened(server, tmp_path) as source:
            all_of(source)
    assert list((tmp_path / ".partial").iterdir()) == []


def test_what_is_not_given_is_a_drop_and_asked_once(small_mirror: Path, tmp_path: Path) -> None:
    lasting = {"DownloadDataset bob/wards": 403, "GetDatasetMetadata ann/rents": 404}
    with LoopbackKaggle(small_mirror, faults=Faults(lasting=lasting)) as server:
        with opened(server, tmp_path, datasets=("gone/away",)) as source:
            results = all_of(source)
            rows = source.catalogue.rows(("dataset", "status", "reason"), status="unavailable")
        assert server.count("DownloadDataset", "bob/wards") == 1
    for key in ("bob/wards", "ann/rents", "gone/away"):
        drop = results[key]
        assert isinstance(drop, Drop)
        assert (drop.reason, drop.transient) == ("unavailable", False)
    assert [row["dataset"] for row in rows] == ["ann/rents", "bob/wards", "gone/away"]
    assert isinstance(results["ann/churn"], Listing)


@pytest.mark.parametrize("fault", [503, "hang", "drip", "html"])
def test_an_outage_is_owed_and_not_met_for_ever(
    small_mirror: Path, tmp_path: Path, fault: int | str
) -> None:
    faults = Faults(lasting={"Storage": fault}, hang_s=600, drip_s=600)
    limits = QUICK.model_copy(update={"read_timeout_s": 0.5, "address_s": 0.5})
    with LoopbackKaggle(small_mirror, faults=faults) as server:
        with opened(server, tmp_path, limits) as source:
            results = all_of(source)
        assert server.count("Storage") <= 2 * 5, "after five datasets nobody goes on asking"
    wanted = {key: results[key] for key in (*GOOD, "bad/empty", "bad/garbage", "bad/prose")}
    assert {drop.reason for drop in wanted.values() if isinstance(drop, Drop)} == {"unreachable"}
    assert all(isinstance(drop, Drop) and drop.transient for drop in wanted.values())
    with LoopbackKaggle(small_mirror) as server, opened(server, tmp_path) as source:
        results = all_of(source)
    same_as_mirror(results, small_mirror)
    assert sum(isinstance(item, Listing) for item in results.values()) == len(wanted)


def test_credentials_that_are_taken_back_stop_the_rest(small_mirror: Path, tmp_path: Path) -> None:
    faults = Faults(lasting={"DownloadDataset": 401})
    with LoopbackKaggle(small_mirror, faults=faults) as server:
        with opened(server, tmp_path) as source:
            results = all_of(source)
        assert server.count("DownloadDataset") == 1
    drops = [item for item in results.values() if isinstance(item, Drop) and item.transient]
    assert {drop.reason for drop in drops} == {"no_access"}
    assert all("kaggle.com/settings" in drop.detail for drop in drops)
    with (
        LoopbackKaggle(small_mirror, faults=Faults(lasting={"*": 401})) as server,
        opened(server, tmp_path) as source,
        pytest.raises(ServiceFault) as caught,
    ):
        source.refs()
    assert caught.value.kind == "no_access"


def test_a_version_that_has_gone_is_owed_to_the_next_search(
    small_mirror: Path, tmp_path: Path
) -> None:
    faults = Faults(lasting={"DownloadDataset ann/churn": 404})
    newer = tmp_path / "newer"
    shutil.copytree(small_mirror / "ann" / "churn", newer)
    only = {"searches": (), "datasets": ("ann/churn",)}
    with (
        LoopbackKaggle(small_mirror, faults=faults) as server,
        opened(server, tmp_path / "cache", **only) as source,
    ):
        (ref,) = source.refs()
        server.publish("ann/churn", newer, 3)
        drop = source.fetch(ref)
    assert isinstance(drop, Drop)
    assert (drop.reason, drop.transient) == ("unreachable", True)
    assert "version 3 has come" in drop.detail


def test_a_file_that_somebody_changed_is_owed(small_mirror: Path, tmp_path: Path) -> None:
    with LoopbackKaggle(small_mirror) as server, opened(server, tmp_path / "cache") as source:
        refs = source.refs()
        ref = next(ref for ref in refs if ref.key == "ann/rents")
        source.fetch(ref)
        path = tmp_path / "cache" / "ann" / "rents" / "rents.csv"
        content = path.read_bytes()
        path.write_bytes(content[:100])
        assert isinstance(source.fetch(ref), Listing), "another size is seen, and fetched again"
        assert path.read_bytes() == content
        path.write_bytes(content.replace(b"1", b"2"))
        with Workers(1) as workers:
            drop = read_dataset(
                source, ref, Memory(Store(str(tmp_path / "store"))), workers, ReadConfig()
            )
    assert isinstance(drop, Drop)
    assert (drop.reason, drop.transient) == ("damaged", True)
    assert "rm -r " in drop.detail


def test_a_refused_archive_comes_once_and_its_records_stay(
    small_mirror: Path, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    shutil.copytree(small_mirror / "ann" / "churn", mirror / "ann" / "churn")
    (mirror / "ann" / "churn" / "customers.csv").unlink()
    (mirror / "ann" / "churn" / "archive.zip.raw").write_bytes(b"PK\x03\x04" + b"\x00" * 500)
    with LoopbackKaggle(mirror) as server:
        for _ in range(2):
            with opened(
                server, tmp_path / "cache", QUICK.model_copy(update={"archive_attempts": 2})
            ) as source:
                (drop,) = all_of(source).values()
                assert isinstance(drop, Drop)
                assert (drop.reason, drop.transient) == ("bad_archive", False)
        assert server.count("Storage") == 2, "two attempts, and no more in the second run"
        with opened(
            server, tmp_path / "cache", QUICK.model_copy(update={"archive_attempts": 1})
        ) as source:
            all_of(source)
        assert server.count("Storage") == 3, "other rules may decide otherwise"
    assert list((tmp_path / "cache" / ".partial").rglob("*.zip*")) == []


def test_a_cache_is_a_folder_of_its_own(small_mirror: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    shutil.copytree(small_mirror / "ann", mirror / "ann")
    with pytest.raises(CacheError, match="no fetch has made"):
        Cache(mirror)
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="--mirror DIR"):
        Cache(tmp_path / "file" / "below")
    cache = Cache(tmp_path / "cache")
    with (
        cache.held(),
        pytest.raises(InUseError, match="fetches into"),
        Cache(tmp_path / "cache").held(),
    ):
        pass


def test_an_offline_build_sees_what_a_fetch_saw(small_mirror: Path, tmp_path: Path) -> None:
    with LoopbackKaggle(small_mirror) as server, opened(server, tmp_path) as source:
        results = all_of(source)
    offline = MirrorSource(tmp_path)
    assert [ref.key for ref in offline.refs()] == sorted(results)
    for ref in offline.refs():
        item, other = results[ref.key], offline.fetch(ref)
        if isinstance(item, Listing):
            assert isinstance(other, Listing)
            assert other.model_copy(update={"folder": item.folder}) == item
        elif item.reason == "bad_metadata":
            assert other == item
        else:
            assert isinstance(other, Listing)
            assert (other.files, other.withheld) == ((), item.detail)


def test_what_was_withheld_is_owed_when_its_tier_is_allowed(
    small_mirror: Path, tmp_path: Path
) -> None:
    with LoopbackKaggle(small_mirror) as server, opened(server, tmp_path / "cache") as source:
        all_of(source)
    offline, store = MirrorSource(tmp_path / "cache"), Store(str(tmp_path / "store"))
    ref = next(ref for ref in offline.refs() if ref.key == "bad/forbidden")
    allowed = ReadConfig(licence=LicenceConfig(allowed=("open", "non-commercial")))
    with Workers(1) as workers:
        refused = read_dataset(offline, ref, Memory(store), workers, ReadConfig())
        pending = read_dataset(offline, ref, Memory(store), workers, allowed)
    assert isinstance(refused, Drop)
    assert refused.reason == "licence_refused"
    assert isinstance(pending, Drop)
    assert (pending.reason, pending.transient) == ("not_fetched", True)
    assert "opendare fetch" in pending.detail
