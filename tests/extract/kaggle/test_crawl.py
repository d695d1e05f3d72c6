"""Searches read to their end: each dataset once, whatever the pages are like."""

import json
import math
import random
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from extract.kaggle.catalogue import Catalogue
from extract.kaggle.crawl import TruncatedError, crawl, read_record
from extract.kaggle.limits import KaggleLimits
from extract.kaggle.queries import Page, PageQuery, Search
from extract.kaggle.service import ServiceFault
from tests.servers.kaggle import made_records

ROOT = Path(__file__).parents[3]
EVERYTHING = 10**10
RESIDENT_MB, PEAK_MB = 16, 64
"""What a crawl may take more than it took after ten pages: between pages, and while the catalogue
writes one, which has a limit of its own."""
SMALL = KaggleLimits(page_size=20, result_limit=100)
WIDE = KaggleLimits(page_size=100, result_limit=100)

Record = Mapping[str, Any]


class Service:
    """A list call in this process: filters by size, licence and kind of file, pages by token."""

    def __init__(self, records: Sequence[Record], limit: int = 100) -> None:
        self.records = records
        self.limit = limit
        self.asked: list[PageQuery] = []

    def __call__(self, query: PageQuery) -> Page:
        self.asked.append(query)
        matching = [record for record in self.records if self.matches(record, query)][: self.limit]
        start = int(query.token or 0)
        stop = start + query.page_size
        texts = tuple(json.dumps(record) for record in matching[start:stop])
        return Page(records=texts, next_token=str(stop) if stop < len(matching) else "")

    def matches(self, record: Record, query: PageQuery) -> bool:
        return (
            query.min_bytes <= record["totalBytes"] <= query.max_bytes
            and query.licence in ("all", record.get("group", "other"))
            and query.file_type in ("all", record.get("kind", "csv"))
        )

    @property
    def searches(self) -> list[PageQuery]:
        """The first page of each query."""
        return [query for query in self.asked if not query.token]


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path / "catalog.duckdb")


def run(
    ask: Callable[[PageQuery], Page],
    catalogue: Catalogue,
    limits: KaggleLimits = SMALL,
    number: int = 1,
    **looked_for: Any,
) -> list[int]:
    """What the crawl told on its way."""
    counts = list[int]()
    search = Search.model_validate({"max_bytes": EVERYTHING} | looked_for)
    crawl(search, ask, catalogue, number, limits, counts.append)
    return counts


def keys(catalogue: Catalogue) -> list[str]:
    return [str(row["dataset"]) for row in catalogue.rows(("dataset",))]


def refs(records: Sequence[Record]) -> list[str]:
    return sorted(str(record["ref"]) for record in records)


def same_size(n: int, **more: Sequence[str]) -> list[Record]:
    """Records of one size, with values of `more` in turn."""
    return [
        {
            "ref": f"ann/n{i}",
            "totalBytes": 5_000,
            **{name: values[i % len(values)] for name, values in more.items()},
        }
        for i in range(n)
    ]


# --- each once ----------------------------------------------------------------------------------


def test_one_search_within_the_limit_is_one_query(catalogue: Catalogue) -> None:
    service = Service(made_records(99))
    assert run(service, catalogue) == [20, 40, 60, 80, 99]
    assert keys(catalogue) == refs(service.records)
    assert len(service.asked) == 5


def test_beyond_the_limit_searches_are_split_by_size(catalogue: Catalogue) -> None:
    service = Service(made_records(250))
    counts = run(service, catalogue, WIDE)
    assert counts == sorted(counts)
    assert counts[-1] == 250
    assert keys(catalogue) == refs(service.records)
    ranges = sorted((query.min_bytes, query.max_bytes) for query in service.searches)
    leaves = [
        r for r in ranges if not any(o != r and r[0] <= o[0] and o[1] <= r[1] for o in ranges)
    ]
    assert leaves[0][0] == 0
    assert leaves[-1][1] == EVERYTHING
    assert all(a[1] + 1 == b[0] for a, b in pairwise(leaves))
    assert len(service.searches) <= 2 * 250 // 100 * 2 + 1


def test_exactly_the_limit_may_be_more(catalogue: Catalogue) -> None:
    service = Service(made_records(100))
    run(service, catalogue, WIDE)
    assert keys(catalogue) == refs(service.records)
    assert len(service.searches) == 3


def test_more_than_the_limit_is_not_asked_for(catalogue: Catalogue) -> None:
    """A service that goes on is not followed: what is beyond comes with the split."""
    service = Service(made_records(150), limit=1_000_000)
    run(service, catalogue, WIDE)
    assert keys(catalogue) == refs(service.records)
    assert len(service.asked) == len(service.searches) == 3


def test_pages_shorter_than_asked_for(catalogue: Catalogue) -> None:
    service = Service(made_records(45))

    def short(query: PageQuery) -> Page:
        return service(query.model_copy(update={"page_size": 5}))

    run(short, catalogue)
    assert keys(catalogue) == refs(service.records)


@pytest.mark.parametrize("size", [0, 5_000, EVERYTHING])
def test_one_size_is_split_by_licence_and_kind_of_file(catalogue: Catalogue, size: int) -> None:
    groups, kinds = ("cc", "gpl", "odb", "other"), ("csv", "json")
    records = [
        {**record, "totalBytes": size, "group": groups[i % 4], "kind": kinds[i // 4 % 2]}
        for i, record in enumerate(same_size(600))
    ]
    service = Service(records)
    run(service, catalogue, WIDE)
    assert keys(catalogue) == refs(records)
    alone = [query for query in service.searches if query.min_bytes == query.max_bytes]
    assert {query.licence for query in alone} == {"all", "cc", "gpl", "odb", "other"}
    assert {query.file_type for query in alone} == {
        *("all", "csv", "sqlite", "json", "bigQuery", "parquet")
    }
    # One size is found at once, not by halving.
    assert len(service.searches) <= 3 + 2 + 4 + 4 * 5


def test_what_cannot_be_split_any_more_is_told_with_its_repair(catalogue: Catalogue) -> None:
    service = Service(same_size(101))
    with pytest.raises(TruncatedError) as caught:
        run(service, catalogue, WIDE)
    message = "more datasets of 5000 bytes than a search can show; name tags or a text: "
    assert str(caught.value) == message + "source.kaggle.searches"
    narrow = {"licence": "other", "file_type": "csv", "min_bytes": 5_000, "max_bytes": 5_000}
    with pytest.raises(TruncatedError):
        run(service, catalogue, WIDE, **narrow)


def test_sizes_that_are_counted_otherwise_are_split_all_the_same(catalogue: Catalogue) -> None:
    """Records tell the size of the files, searches ask for that of the archive."""
    records = [{**record, "zip": record["totalBytes"] // 1_000} for record in made_records(250)]

    class Zipped(Service):
        def matches(self, record: Record, query: PageQuery) -> bool:
            return query.min_bytes <= int(record["zip"]) <= query.max_bytes

    service = Zipped(records)
    run(service, catalogue, WIDE, max_bytes=EVERYTHING // 1_000)
    assert keys(catalogue) == refs(records)
    assert len(service.searches) < 60


class Sizeless(Service):
    """Takes no notice of sizes."""

    def matches(self, record: Record, query: PageQuery) -> bool:
        sizes = {"min_bytes": 0, "max_bytes": EVERYTHING}
        return super().matches(record, query.model_copy(update=sizes))


def test_a_service_that_knows_no_filters_is_not_split_for_ever(catalogue: Catalogue) -> None:
    service = Sizeless(same_size(101))
    with pytest.raises(TruncatedError, match="name tags or a text"):
        run(service, catalogue, WIDE, max_bytes=1_000)
    assert len(service.searches) < 64


@pytest.mark.slow
def test_a_service_that_knows_no_sizes_is_not_split_for_ever(catalogue: Catalogue) -> None:
    """Licences part what sizes do not, so every single size would be looked at."""
    service = Sizeless(same_size(8, group=("cc", "gpl", "odb", "other")), limit=7)
    with pytest.raises(TruncatedError, match="the same, whatever its size; name tags or a text"):
        run(service, catalogue, KaggleLimits(page_size=7, result_limit=7))
    assert len(service.searches) < 300


# --- what is wanted -----------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 20, 33, 99])
def test_only_so_many_in_the_order_of_the_service(catalogue: Catalogue, most: int) -> None:
    service = Service(made_records(99))
    run(service, catalogue, most=most)
    assert keys(catalogue) == refs(service.records[:most])
    assert len(service.asked) == math.ceil(most / 20)


def test_more_wanted_than_one_search_shows(catalogue: Catalogue) -> None:
    service = Service(made_records(250))
    run(service, catalogue, WIDE, most=180)
    assert len(keys(catalogue)) == 180
    assert set(refs(service.records[:100])) <= set(keys(catalogue))


def test_what_is_passed_over_does_not_count(catalogue: Catalogue) -> None:
    records = [
        {"ref": f"ann/n{i}", "totalBytes": 1, "usabilityRating": 0.4 + i % 2 / 2} for i in range(90)
    ]
    run(Service(records), catalogue, most=30, min_usability=0.5)
    assert [ref.slug for ref in catalogue.wanted(1)] == sorted(f"n{i}" for i in range(1, 60, 2))
    passed = catalogue.rows(("dataset", "reason", "detail"), status="passed_over")
    assert len(passed) == 30
    reason = {"reason": "search", "detail": "usability 0.40, wanted at least 0.50"}
    assert all(reason.items() <= row.items() for row in passed)


def test_two_searches_share_results(catalogue: Catalogue) -> None:
    records = made_records(60)
    run(Service(records[:40]), catalogue)
    assert run(Service(records[20:]), catalogue) == [40, 60]
    assert len(catalogue.wanted(1)) == 60
    assert keys(catalogue) == refs(records)


def test_what_a_search_asks_for_reaches_the_service(catalogue: Catalogue) -> None:
    service = Service([])
    looked_for = {
        "text": "bank churn",
        "tags": ("tabular", "business"),
        "licence": "odb",
        "file_type": "parquet",
        "sort": "votes",
        "min_bytes": 10,
        "max_bytes": 20,
    }
    run(service, catalogue, **looked_for)
    (query,) = service.asked
    assert looked_for.items() <= query.model_dump().items()
    assert (query.page_size, query.token) == (20, "")


@pytest.mark.parametrize(
    "wrong",
    [
        *({"licence": "mit"}, {"file_type": "xlsx"}, {"sort": "best"}, {"min_usability": 2}),
        *({"min_usability": math.nan}, {"most": 0}, {"max_bytes": 0}, {"text": "x" * 201}),
        {"colour": "red"},
    ],
)
def test_a_search_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Search.model_validate(wrong)


# --- pages --------------------------------------------------------------------------------------


def test_empty_pages_go_on(catalogue: Catalogue) -> None:
    service, empty = Service(made_records(90)), list[str]()

    def ask(query: PageQuery) -> Page:
        if query.token.isdigit():
            empty.append(query.token)
            return Page(records=(), next_token=f"{query.token} ")
        return service(query)

    assert run(ask, catalogue) == [20, 40, 60, 80, 90]
    assert empty == ["20", "40", "60", "80"]
    assert keys(catalogue) == refs(service.records)


def test_a_token_that_repeats_once_is_asked_for_again(catalogue: Catalogue) -> None:
    service, repeated = Service(made_records(90)), []

    def ask(query: PageQuery) -> Page:
        if query.token == "40" and not repeated:
            repeated.append(query)
            return Page(records=service(query).records, next_token="20")
        return service(query)

    counts = run(ask, catalogue)
    assert counts == [20, 40, 60, 80, 90]
    assert repeated


@pytest.mark.parametrize("token", ["20", "40"])
def test_a_token_that_repeats_for_ever_is_a_fault(catalogue: Catalogue, token: str) -> None:
    service = Service(made_records(90))

    def ask(query: PageQuery) -> Page:
        page = service(query)
        return page.model_copy(update={"next_token": token}) if query.token == "40" else page

    with pytest.raises(ServiceFault, match="repeats itself") as caught:
        run(ask, catalogue)
    assert caught.value.kind == "transient"
    assert len(service.asked) == 2 + 3
    assert len(keys(catalogue)) == 40, "what came before is kept"


@pytest.mark.parametrize("records", [(), ("[]",)])
def test_pages_without_end_end(catalogue: Catalogue, records: tuple[str, ...]) -> None:
    asked = []

    def ask(query: PageQuery) -> Page:
        asked.append(query)
        return Page(records=records, next_token=str(len(asked)))

    with pytest.raises((ServiceFault, TruncatedError)):
        run(ask, catalogue)
    assert len(asked) <= 100


def test_faults_pass_through(catalogue: Catalogue) -> None:
    service = Service(made_records(90))

    def ask(query: PageQuery) -> Page:
        if query.token == "60":
            raise ServiceFault("no_access", "no more")
        return service(query)

    with pytest.raises(ServiceFault, match="no more"):
        run(ask, catalogue)
    assert len(keys(catalogue)) == 60


# --- odd records --------------------------------------------------------------------------------

NAMELESS: list[str] = [
    "",
    "null",
    "[]",
    '"ann/churn"',
    "{",
    "{}",
    '{"ref": null}',
    '{"ref": 7}',
    '{"ref": ["ann/churn"]}',
    '{"ref": ""}',
    '{"ref": "churn"}',
    '{"ref": "/churn"}',
    '{"ref": "ann/"}',
    '{"ref": "ann/churn/more"}',
    '{"ref": "../churn"}',
    '{"ref": "ann/.."}',
    '{"ref": "ann/.hidden"}',
    '{"ref": "ann/churn\\u0000"}',
    '{"ref": "ann/ch urn"}',
    '{"ref": "ann/\\ud800"}',
    '{"ref": "ann/чурн"}',
    json.dumps({"ref": "ann/" + "x" * 151}),
    "[" * 100_000,
    '{"ref": "ann/churn", "x": ' + "[" * 5_000 + "]" * 5_000 + "}",
    '{"ref": "ann/churn", "x": ' + "9" * 5_000 + "}",
    json.dumps({"ref": "ann/churn", "title": "x" * (1 << 18)}),
]


def test_a_record_with_a_book_in_it_is_known_by_the_rest() -> None:
    text = json.dumps({"ref": "ann/churn", "title": "Churn", "description": "x" * (1 << 18)})
    seen = read_record(text)
    assert seen is not None
    assert (seen.title, seen.record) == ("Churn", '{"ref": "ann/churn", "title": "Churn"}')


@pytest.mark.parametrize("text", NAMELESS, ids=range(len(NAMELESS)))
def test_what_names_no_dataset_is_skipped(text: str) -> None:
    if text == '{"ref": "ann/churn\\u0000"}':
        # A control character is a space at the end of a line.
        assert read_record(text) is not None
        return
    assert read_record(text) is None


@pytest.mark.parametrize(
    "name", ["currentVersionNumber", "totalBytes", "usabilityRating", "voteCount", "downloadCount"]
)
@pytest.mark.parametrize(
    "value",
    ["null", "true", '"7"', "[7]", "{}", "-1", "NaN", "Infinity", "1e400", "9" * 30, '"\\ud800"'],
)
def test_a_number_that_is_none_counts_as_not_said(name: str, value: str) -> None:
    one = read_record(f'{{"ref": "ann/churn", "{name}": {value}}}')
    assert one is not None
    assert (one.ref.version, one.knows_version) == (1, False)
    assert (one.bytes, one.usability, one.votes, one.downloads) == (0, 0, 0, 0)


@pytest.mark.parametrize("name", ["title", "licenseName", "lastUpdated", "tags"])
@pytest.mark.parametrize("value", [None, 7, True, [], {}, [None, 7, {}, {"name": []}], {"a": "b"}])
def test_a_text_that_is_none_counts_as_not_said(name: str, value: object) -> None:
    one = read_record(json.dumps({"ref": "ann/churn", name: value}))
    assert one is not None
    assert (one.title, one.licence, one.updated_at, one.tags) == ("", "", None, ())


def test_texts_are_one_bounded_line_each() -> None:
    text = "a\x1b[2J\nb\ud800" + "c" * 1_000
    record = {"ref": " ann/churn ", "title": text, "licenseName": text, "tags": [text] * 100}
    one = read_record(json.dumps(record))
    assert one is not None
    assert one.ref.key == "ann/churn"
    for line in (one.title, one.licence, *one.tags):
        assert line.startswith("a [2J b c")
        assert line.isprintable()
        assert len(line) <= 300
    assert len(one.tags) == 1
    assert json.loads(one.record)["title"] == text


@pytest.mark.parametrize(
    "text", ["9999-99-99", "soon", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "٣"]
)
def test_a_date_that_is_none_counts_as_not_said(text: str) -> None:
    one = read_record(json.dumps({"ref": "ann/churn", "lastUpdated": text}))
    assert one is not None
    assert one.updated_at is None


def test_odd_records_do_not_spoil_a_page(catalogue: Catalogue) -> None:
    good = [json.dumps(record) for record in made_records(30)]
    texts = NAMELESS[:-1] + good
    random.Random(5).shuffle(texts)
    run(lambda query: Page(records=tuple(texts), next_token=""), catalogue)
    others = [key for key in keys(catalogue) if key != "ann/churn"]
    assert others == refs(made_records(30))


# --- through the real client --------------------------------------------------------------------

_PROGRAM = """
import json, sys, tempfile, time
from pathlib import Path
from extract.kaggle.catalogue import Catalogue
from extract.kaggle.client import Kaggle
from extract.kaggle.crawl import crawl
from extract.kaggle.limits import KaggleLimits
from extract.kaggle.queries import Search

environment, path, max_bytes = json.loads(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
limits = KaggleLimits(connections=1, calls_per_minute=1e9)
counts, begun = [], time.monotonic()

def tell(shown):
    # Not ru_maxrss, which begins at that of the parent.
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    counts.append((shown, *(int(fields[name].split()[0]) >> 10 for name in ("VmRSS", "VmHWM"))))

with tempfile.TemporaryDirectory() as home:
    with Kaggle(environment, Path(home), limits) as kaggle:
        search = Search(max_bytes=max_bytes)
        crawl(search, kaggle.page, Catalogue(path), 1, limits, tell)
print(json.dumps({"counts": counts, "seconds": time.monotonic() - begun}))
"""
_SERVER = """
import json, sys
from tests.servers.kaggle import LoopbackKaggle, made_records
with LoopbackKaggle(records=made_records(int(sys.argv[1]))) as kaggle:
    print(json.dumps(kaggle.environment), flush=True)
    sys.stdin.readline()
    print(json.dumps(dict(calls=kaggle.count("ListDatasets"), all=len(kaggle.requests))))
"""


def through_the_client(n: int, path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """What a crawl in processes of its own measured, and what the server counted."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", _SERVER, str(n)]
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as server:
        assert server.stdout is not None
        environment = server.stdout.readline()
        arguments = [environment, str(path), str(EVERYTHING)]
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, *arguments],
            cwd=ROOT, stdout=pipe, text=True, check=True, timeout=900,
        )  # fmt: skip
        counted, _ = server.communicate("\n")
    return json.loads(done.stdout.splitlines()[-1]), json.loads(counted)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "calls"),
    [
        # The limit may hide more, so both halves are looked at: sizes up to the median, and above.
        (10_000, 50 + 26 + 25),
    ],
)
def test_many_thousands_through_the_real_client(tmp_path: Path, n: int, calls: int) -> None:
    path = tmp_path / "catalog.duckdb"
    measured, counted = through_the_client(n, path)
    records = made_records(n)
    assert keys(Catalogue(path)) == refs(records)
    assert counted == {"calls": calls, "all": calls}
    shown = [counts[0] for counts in measured["counts"]]
    assert shown == sorted(shown)
    _, resident, peak = measured["counts"][shown.index(2_000)]
    last = measured["counts"][-1]
    print(
        f"{n} datasets: {calls} calls, {measured['seconds']:.1f} s; resident {resident} MB after "
        f"2000, {last[1]} MB after all; peak {peak} MB, {last[2]} MB"
    )
    assert max(counts[1] for counts in measured["counts"]) - resident < RESIDENT_MB
    assert last[2] - peak < PEAK_MB
