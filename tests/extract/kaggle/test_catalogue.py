"""The catalogue: its memory, its answers, other processes at the same file, and hostile texts."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import extract.kaggle.catalogue
from extract.dataset import DatasetRef
from extract.kaggle.catalogue import (
    COLUMNS,
    Catalogue,
    CatalogueBusyError,
    CatalogueError,
    SearchResult,
)
from extract.kaggle.crawl import read_record
from tests.outcomes import conclude

ROOT = Path(__file__).parents[3]
CHURN = DatasetRef(owner="ann", slug="churn")
HOSTILE = ("'; DROP TABLE datasets; --", 'a"b', "nul\0nul", "lone \ud800", "\x1b[2J", "%_?", "🦆")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.duckdb"


@pytest.fixture
def catalogue(path: Path) -> Catalogue:
    return Catalogue(path)


def seen(
    key: str = "ann/churn", version: int = 1, passed_over: str = "", **said: Any
) -> SearchResult:
    record = {"ref": key, "currentVersionNumber": version, "title": "Churn", **said}
    listed = read_record(json.dumps(record))
    assert listed is not None
    return listed.model_copy(update={"passed_over": passed_over})


def totals(catalogue: Catalogue) -> list[tuple[str, str, int]]:
    """Datasets by status and reason."""
    rows = catalogue.rows(("status", "reason"))
    counts = Counter((row["status"], row["reason"]) for row in rows)
    return [(*kind, n) for kind, n in sorted(counts.items())]


def row(catalogue: Catalogue, key: str = "ann/churn") -> dict[str, Any]:
    (match,) = [row for row in catalogue.rows(tuple(COLUMNS)) if row["dataset"] == key]
    return match


def fates(catalogue: Catalogue) -> dict[str, tuple[str, str]]:
    rows = catalogue.rows(("dataset", "status", "reason"))
    return {row["dataset"]: (row["status"], row["reason"]) for row in rows}


# --- memory -------------------------------------------------------------------------------------


def test_a_dataset_is_there_with_all_that_its_record_says(catalogue: Catalogue) -> None:
    said = {
        "licenseName": "CC0: Public Domain",
        "lastUpdated": "2025-07-05T08:40:49.373Z",
        "totalBytes": 42_649,
        "usabilityRating": 0.9,
        "voteCount": 29,
        "downloadCount": 1859,
        "tags": [{"name": "tabular"}, {"name": "business"}],
    }
    catalogue.add_results(catalogue.begin(), [seen(version=3, **said)])
    entry = row(catalogue)
    assert entry.pop("first_seen") == entry.pop("last_checked")
    assert json.loads(entry.pop("record"))["licenseName"] == "CC0: Public Domain"
    assert entry == {
        "dataset": "ann/churn",
        "version": 3,
        "status": "listed",
        "reason": "",
        "detail": "",
        "licence": "CC0: Public Domain",
        "licence_evidence": [],
        "title": "Churn",
        "updated_at": "2025-07-05T08:40:49Z",
        "bytes": 42_649,
        "usability": 0.9,
        "votes": 29,
        "downloads": 1859,
        "tags": ["business", "tabular"],
        "versions": [3],
    }


def test_first_seen_stays_and_last_checked_moves(catalogue: Catalogue) -> None:
    checks = []
    for crawl in (1, 2):
        catalogue.add_results(crawl, [seen(title=f"Title {crawl}")])
        checks.append(row(catalogue))
        time.sleep(0.002)
    conclude(catalogue, CHURN, "fetched")
    checks.append(row(catalogue))
    assert len({entry["first_seen"] for entry in checks}) == 1
    instants = [entry["last_checked"] for entry in checks]
    assert instants == sorted(set(instants))
    assert row(catalogue)["title"] == "Title 2"


def test_a_new_version_is_another_question(catalogue: Catalogue) -> None:
    catalogue.add_results(1, [seen(version=1)])
    conclude(catalogue, CHURN, "refused", "licence_refused", "GPL", ["record: GPL"])
    catalogue.add_results(2, [seen(version=1)])
    assert row(catalogue)["status"] == "refused"
    assert row(catalogue)["licence_evidence"] == ["record: GPL"]
    catalogue.add_results(3, [seen(version=4)])
    entry = row(catalogue)
    assert (entry["status"], entry["reason"], entry["detail"]) == ("listed", "", "")
    assert entry["licence_evidence"] == []
    assert entry["versions"] == [1, 4]


def test_evidence_is_kept_where_none_is_told(catalogue: Catalogue) -> None:
    catalogue.add_results(1, [seen()])
    conclude(catalogue, CHURN, "fetched", evidence=["record: CC0", "metadata: CC0-1.0"])
    conclude(catalogue, CHURN, "pending", "unreachable", "HTTP 503", [""])
    assert row(catalogue)["licence_evidence"] == ["record: CC0", "metadata: CC0-1.0"]
    assert row(catalogue)["detail"] == "HTTP 503"


def test_one_key_in_whatever_case(catalogue: Catalogue) -> None:
    assert catalogue.add_results(1, [seen("Ann/Churn"), seen("ann/CHURN")]) == 1
    assert catalogue.add_results(1, [seen("ANN/churn")]) == 1
    conclude(catalogue, CHURN, "fetched")
    assert fates(catalogue) == {"ANN/churn": ("fetched", "")}
    assert catalogue.record(CHURN) is not None


def test_of_a_page_with_one_dataset_twice_the_first_counts(catalogue: Catalogue) -> None:
    catalogue.add_results(1, [seen(title="First"), seen(title="Second")])
    assert row(catalogue)["title"] == "First"


def test_crawls_are_numbered_and_counted(catalogue: Catalogue) -> None:
    assert catalogue.begin() == 1
    assert catalogue.add_results(1, []) == 0
    assert catalogue.add_results(1, [seen(f"ann/{n}") for n in range(5)]) == 5
    assert catalogue.add_results(1, [seen(f"ann/{n}") for n in range(3, 8)]) == 8
    assert catalogue.begin() == 2
    assert catalogue.add_results(2, [seen("ann/0")]) == 1
    assert catalogue.add_results(2, []) == catalogue.count(2) == 1
    assert catalogue.count(1) == 7


def test_what_a_fetch_brought_is_part_of_the_history(catalogue: Catalogue, path: Path) -> None:
    catalogue.add_results(1, [seen(version=2)])
    catalogue.fetched(CHURN.model_copy(update={"version": 2}), 1000, "ab" * 32, 3)
    catalogue.fetched(CHURN.model_copy(update={"version": 1}), 500, "cd" * 32, 1)
    catalogue.add_results(2, [seen(version=2)])
    assert row(catalogue)["versions"] == [1, 2]
    import duckdb

    query = "SELECT version, archive_bytes, archive_sha256, n_files, fetched_at IS NULL"
    with duckdb.connect(str(path), read_only=True) as db:
        rows = db.execute(f"{query} FROM versions ORDER BY version").fetchall()
    assert rows == [(1, 500, "cd" * 32, 1, False), (2, 1000, "ab" * 32, 3, False)]


# --- what is wanted -----------------------------------------------------------------------------


def test_wanted_is_what_this_crawl_has_shown_at_its_version(catalogue: Catalogue) -> None:
    catalogue.add_results(1, [seen("bob/old")])
    catalogue.add_results(2, [seen("bob/b", 7), seen("ann/z", 2), seen("ann/a", 0)])
    assert [str(ref) for ref in catalogue.wanted(2)] == ["ann/a/1", "ann/z/2", "bob/b/7"]
    assert [str(ref) for ref in catalogue.wanted(1)] == ["bob/old/1"]
    assert catalogue.wanted(3) == ()


def test_what_one_search_passes_over_another_may_want(catalogue: Catalogue) -> None:
    low = "usability 0.10, wanted at least 0.50"
    for first, second in ((low, ""), ("", low)):
        number = catalogue.begin()
        catalogue.add_results(number, [seen(passed_over=first)])
        catalogue.add_results(number, [seen(passed_over=second)])
        assert [str(ref) for ref in catalogue.wanted(number)] == ["ann/churn/1"]


def test_a_later_crawl_may_pass_over_what_an_earlier_wanted(catalogue: Catalogue) -> None:
    catalogue.add_results(1, [seen()])
    conclude(catalogue, CHURN, "fetched")
    catalogue.add_results(2, [seen(passed_over="usability 0.10")])
    assert catalogue.wanted(2) == ()
    assert fates(catalogue) == {"ann/churn": ("passed_over", "search")}
    assert row(catalogue)["detail"] == "usability 0.10"
    catalogue.add_results(3, [seen()])
    assert len(catalogue.wanted(3)) == 1
    assert row(catalogue)["detail"] == ""


def test_what_is_owed_or_refused_stays_wanted(catalogue: Catalogue) -> None:
    """Whether it is asked for again is for the source to say."""
    catalogue.add_results(1, [seen(), seen("ann/b")])
    conclude(catalogue, CHURN, "pending", "unreachable", "HTTP 503")
    catalogue.add_results(2, [seen(), seen("ann/b")])
    assert len(catalogue.wanted(2)) == 2
    assert fates(catalogue)["ann/churn"] == ("pending", "unreachable")


# --- known by name ------------------------------------------------------------------------------


def test_a_name_without_a_record_leaves_what_is_known(catalogue: Catalogue) -> None:
    catalogue.add_results(1, [seen(version=5)])
    conclude(catalogue, CHURN, "fetched")
    known = row(catalogue)
    assert (
        catalogue.add_results(
            2, [SearchResult(ref=CHURN), SearchResult(ref=CHURN.model_copy(update={"slug": "b"}))]
        )
        == 2
    )
    entry = row(catalogue)
    assert entry.pop("last_checked") > known.pop("last_checked")
    assert entry == known
    assert row(catalogue, "ann/b")["version"] is None
    assert row(catalogue, "ann/b")["versions"] is None


def test_a_name_has_no_record(catalogue: Catalogue) -> None:
    assert catalogue.record(CHURN) is None
    catalogue.add_results(1, [SearchResult(ref=CHURN)])
    assert catalogue.record(CHURN) is None
    catalogue.add_results(1, [seen(version=0)])
    record = catalogue.record(CHURN)
    assert record is not None
    assert not record[1]
    catalogue.add_results(1, [seen(version=2)])
    record = catalogue.record(CHURN)
    assert record is not None
    assert record[1]
    assert json.loads(record[0])["currentVersionNumber"] == 2


def test_what_no_search_has_shown_is_concluded_as_well(catalogue: Catalogue) -> None:
    conclude(catalogue, CHURN, "unavailable", "unavailable", "HTTP 404")
    assert fates(catalogue) == {"ann/churn": ("unavailable", "unavailable")}
    assert catalogue.begin() == 1
    assert catalogue.record(CHURN) is None
    catalogue.add_results(1, [seen()])
    assert fates(catalogue) == {"ann/churn": ("listed", "")}


# --- answers ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Nobody writes into it."""
    catalogue = Catalogue(tmp_path_factory.mktemp("filled") / "catalog.duckdb")
    page = [seen(f"ann/{name}", title=f"About {name.upper()}") for name in "abc"]
    catalogue.add_results(1, [*page, seen("bob/d", title="50% off", passed_over="usability 0.10")])
    conclude(catalogue, CHURN.model_copy(update={"slug": "a"}), "refused", "no_table", "one image")
    conclude(catalogue, CHURN.model_copy(update={"slug": "b"}), "refused", "too_large", "2 GB")
    return catalogue


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        ({}, ["ann/a", "ann/b", "ann/c", "bob/d"]),
        ({"status": "refused"}, ["ann/a", "ann/b"]),
        ({"status": "refused", "reason": "no_table"}, ["ann/a"]),
        ({"status": "listed", "reason": "no_table"}, []),
        ({"reason": "search"}, ["bob/d"]),
        ({"match": "ann/"}, ["ann/a", "ann/b", "ann/c"]),
        ({"match": "ABOUT c"}, ["ann/c"]),
        ({"match": "%"}, ["bob/d"]),
        ({"match": "_"}, []),
        ({"match": "b", "status": "refused"}, ["ann/a", "ann/b"]),
        ({"status": "no such status"}, []),
    ],
)
def test_filters(filled: Catalogue, asked: dict[str, str], keys: list[str]) -> None:
    assert [row["dataset"] for row in filled.rows(("dataset",), **asked)] == keys


def test_totals(filled: Catalogue) -> None:
    expected = [
        ("listed", "", 1),
        ("passed_over", "search", 1),
        ("refused", "no_table", 1),
        ("refused", "too_large", 1),
    ]
    assert totals(filled) == expected


def test_only_our_own_columns_can_be_asked_for(filled: Catalogue) -> None:
    with pytest.raises(AssertionError):
        filled.rows(("dataset", "key FROM datasets; --"))


# --- hostile texts ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_are_values_and_nothing_else(catalogue: Catalogue, text: str) -> None:
    catalogue.add_results(1, [seen(title=text, licenseName=text, tags=[text]), seen("bob/other")])
    conclude(catalogue, CHURN, "refused", text, text, [text])
    assert {entry["dataset"] for entry in catalogue.rows(("dataset",))} == {
        "ann/churn",
        "bob/other",
    }
    stored = text.replace("\ud800", "?")
    entry = row(catalogue)
    assert (entry["reason"], entry["detail"], entry["licence_evidence"]) == (stored,) * 2 + (
        [stored],
    )
    assert json.loads(entry["record"])["title"] == text
    assert catalogue.rows(("dataset",), status=text, reason=text, match=text) == []
    assert [entry["dataset"] for entry in catalogue.rows(("dataset",), reason=text)] == [
        "ann/churn"
    ]


def test_a_detail_is_bounded(catalogue: Catalogue) -> None:
    catalogue.add_results(1, [seen()])
    conclude(catalogue, CHURN, "refused", "no_table", "x" * 1_000_000)
    assert row(catalogue)["detail"] == "x" * 500


@pytest.mark.slow
def test_a_page_of_large_records_fits(catalogue: Catalogue) -> None:
    """What a page may hold at most."""
    page = [seen(f"ann/{n}", description="x" * 262_000) for n in range(200)]
    assert catalogue.add_results(1, page) == 200
    assert catalogue.add_results(2, page) == 200


# --- other processes ----------------------------------------------------------------------------

_WRITER = """
import json, sys
from pathlib import Path
from extract.kaggle.catalogue import Catalogue
from extract.kaggle.crawl import read_record
catalogue = Catalogue(Path(sys.argv[1]))
for n in range(100_000):
    refs = [f"ann/n{n}-{i}" for i in range(20)]
    shown = catalogue.add_results(1, [read_record(json.dumps({"ref": ref})) for ref in refs])
    print(shown, flush=True)
"""
_HOLDER = """
import sys
import duckdb
db = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def running(program: str, path: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", textwrap.dedent(program), str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_it_is_read_while_another_process_writes(catalogue: Catalogue, path: Path) -> None:
    with running(_WRITER, path) as writer:
        assert said(writer) == "20"
        counts = [catalogue.count(1)]
        while len(counts) < 15 or counts[0] == counts[-1]:
            assert writer.poll() is None
            counts.append(catalogue.count(1))
    assert counts == sorted(counts)
    assert all(count % 20 == 0 for count in counts), "pages come whole"


def test_waiting_for_another_process_has_an_end(
    catalogue: Catalogue, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.add_results(1, [seen()])
    monkeypatch.setattr(extract.kaggle.catalogue, "_PATIENCE_S", 0.3)
    with running(_HOLDER, path) as holder:
        assert said(holder) == "held"
        for ask in (lambda: totals(catalogue), lambda: catalogue.add_results(2, [seen()])):
            begun = time.monotonic()
            with pytest.raises(CatalogueBusyError, match="held by another process"):
                ask()
            assert 0.3 <= time.monotonic() - begun < 20, "as long as without the change"
    assert totals(catalogue) == [("listed", "", 1)]


def test_readers_do_not_keep_each_other_out(catalogue: Catalogue, path: Path) -> None:
    catalogue.add_results(1, [seen()])
    before = path.read_bytes()
    with running(_HOLDER.replace("argv[1]", "argv[1], read_only=True"), path) as holder:
        assert said(holder) == "held"
        begun = time.monotonic()
        assert row(catalogue)["title"] == "Churn"
        assert time.monotonic() - begun < 20, "as long as one waits for a writer"
    assert path.read_bytes() == before
    assert sorted(place.name for place in path.parent.iterdir()) == ["catalog.duckdb"]


def test_it_may_be_asked_from_any_thread(catalogue: Catalogue) -> None:
    page = [seen(f"ann/{n}") for n in range(12)]
    catalogue.add_results(1, page)
    threads = [
        threading.Thread(target=conclude, args=(catalogue, one.ref, "refused", "no_table"))
        for one in page
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert totals(catalogue) == [("refused", "no_table", 12)]


@pytest.mark.slow
def test_a_killed_writer_leaves_a_whole_file(catalogue: Catalogue, path: Path) -> None:
    """Killed at different moments, its making included; what it has reported is there."""
    for delay_s in (0.0, 0.003, 0.01, 0.05, 0.2, 0.5):
        before = catalogue.count(1) if path.exists() else 0
        with running(_WRITER.replace("n{n}", f"n{delay_s}-{{n}}"), path) as writer:
            reported = before
            if delay_s >= 0.05:
                reported = int(said(writer))
                time.sleep(delay_s)
            else:
                deadline = time.monotonic() + 300
                while not any(path.parent.iterdir()) and time.monotonic() < deadline:
                    time.sleep(0.001)
                time.sleep(delay_s)
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
            assert writer.stdout is not None
            reported = max([reported, *map(int, writer.stdout.read().split())])
        n_rows = catalogue.count(1)
        assert n_rows >= reported
        assert n_rows % 20 == 0
        assert len(catalogue.rows(("dataset", "versions"))) == n_rows
    assert n_rows > 100


# --- broken files -------------------------------------------------------------------------------


def test_what_is_no_catalogue_is_told_with_its_repair(catalogue: Catalogue, path: Path) -> None:
    catalogue.add_results(1, [seen()])
    whole = path.read_bytes()
    for broken in (b"", b"hello" * 5_000, whole[:8_192], b"\0" * len(whole)):
        path.write_bytes(broken)
        with pytest.raises(CatalogueError, match=r"cannot be used: .*move it away") as caught:
            totals(catalogue)
        assert not isinstance(caught.value, CatalogueBusyError)
        assert str(path) in str(caught.value)
    path.unlink()
    assert catalogue.begin() == 1


def test_half_a_file_of_an_earlier_process_is_no_harm(catalogue: Catalogue, path: Path) -> None:
    path.with_name(".unfinished-0123").write_bytes(b"half")
    catalogue.add_results(1, [seen()])
    assert row(catalogue)["title"] == "Churn"
    whole = [place.name for place in path.parent.iterdir() if place.name[0] != "."]
    assert whole == ["catalog.duckdb"]
