"""What is known of every dataset that a search ever showed: a DuckDB file beside the cache.

One row a dataset, with its record, what it says about its licence, when it was first seen and last
checked, and what became of it; one row a version. It is memory and answer to questions, never an
input of a release but for the records that a fetch goes by. The file appears whole, and is opened
for each transaction and closed again, so that it can be read while a fetch runs, and a killed
process leaves a whole one. Reading opens it for reading only.

Records are foreign text: they are values of statements, never part of them, and cleaned of control
characters before they are shown. Not guaranteed: that nothing is lost when two processes make the
file at the same moment; one process fetches into a cache at a time.
"""

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extract.dataset import DatasetRef
from extract.files.atomic import placed
from extract.noun import Noun
from extract.outcome import DatasetOutcome
from extract.untrusted_text import storable

if TYPE_CHECKING:
    import duckdb

CATALOGUE = "catalog.duckdb"
"""Name of the file in a cache."""

_SCHEMA = """
CREATE TABLE datasets (
    key VARCHAR PRIMARY KEY,
    owner VARCHAR NOT NULL,
    slug VARCHAR NOT NULL,
    version INTEGER,
    title VARCHAR,
    licence VARCHAR,
    licence_evidence VARCHAR[],
    updated_at VARCHAR,
    bytes BIGINT,
    usability DOUBLE,
    votes BIGINT,
    downloads BIGINT,
    tags VARCHAR[],
    record VARCHAR NOT NULL,
    first_seen TIMESTAMP NOT NULL,
    last_checked TIMESTAMP NOT NULL,
    crawl INTEGER NOT NULL,
    status VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    detail VARCHAR NOT NULL
);
CREATE TABLE versions (
    key VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    updated_at VARCHAR,
    first_seen TIMESTAMP NOT NULL,
    fetched_at TIMESTAMP,
    archive_bytes BIGINT,
    archive_sha256 VARCHAR,
    n_files INTEGER,
    PRIMARY KEY (key, version)
);
"""
_PATIENCE_S = 20
_MEMORY = "512MB"
"""A page of the largest records takes some 250 MB."""
_DETAIL_CHARS = 500
_DAMAGED = (
    "{path} cannot be used: {detail}; when it is damaged or of another version, move it away, and "
    "the next fetch begins another"
)


class SearchResult(Noun):
    """One record of a search, as far as it is understood."""

    ref: DatasetRef
    knows_version: bool = False
    record: str = ""
    """The JSON object, bounded by what a page may hold; empty for what is known by name only."""
    title: str = ""
    licence: str = ""
    updated_at: str | None = None
    bytes: int = 0
    usability: float = 0
    votes: int = 0
    downloads: int = 0
    tags: tuple[str, ...] = ()
    passed_over: str = ""
    """Why the search does not want it; empty when it does."""


class CatalogueError(OSError):
    """A file that cannot be used; the message says what repairs it. No dataset is to blame."""


class CatalogueBusyError(CatalogueError):
    """Another process writes for longer than anybody should."""


class Catalogue:
    """The file at `path`; made when it is first asked. To be used from any thread.

    All methods raise `CatalogueError`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def begin(self) -> int:
        """The number of a new crawl."""
        with self._open(to_read=True) as db:
            (last,) = _row(db.execute("SELECT max(crawl) FROM datasets"))
        return int(last or 0) + 1

    def add_results(self, crawl: int, seen: Sequence[SearchResult]) -> int:
        """Note what a page has shown; what a crawl shows twice is noted once.

        What comes without a record leaves the one that is known. Returns how many datasets the
        crawl has shown.
        """
        if not seen:
            return self.count(crawl)
        now = _now()
        first = {one.ref.key.casefold(): one for one in reversed(seen)}
        with self._open() as db:
            db.execute("BEGIN")
            db.register("page", _as_table(first, crawl, now))
            db.execute(_UPSERT)
            db.execute(_SEEN_AGAIN)
            db.execute(_NEW_VERSIONS)
            db.execute("COMMIT")
            return _count(db, crawl)

    def wanted(self, crawl: int) -> tuple[DatasetRef, ...]:
        """Datasets that a crawl has shown and its search wants, by owner and slug."""
        query = (
            "SELECT owner, slug, coalesce(version, 1) FROM datasets "
            "WHERE crawl = ? AND status != 'passed_over'"
        )
        with self._open(to_read=True) as db:
            rows = db.execute(query, [crawl]).fetchall()
        refs = (
            DatasetRef(owner=owner, slug=slug, version=version) for owner, slug, version in rows
        )
        return tuple(sorted(refs, key=lambda ref: (ref.owner, ref.slug)))

    def count(self, crawl: int) -> int:
        """How many datasets a crawl has shown."""
        with self._open(to_read=True) as db:
            return _count(db, crawl)

    def record(self, ref: DatasetRef) -> tuple[str, bool] | None:
        """The last record of a dataset, and whether it named a version; None without a record."""
        query = "SELECT record, version IS NOT NULL FROM datasets WHERE key = ? AND record != ''"
        with self._open(to_read=True) as db:
            row = db.execute(query, [ref.key.casefold()]).fetchone()
        return (str(row[0]), bool(row[1])) if row else None

    def conclude(self, outcomes: Sequence[DatasetOutcome]) -> None:
        """Note what became of datasets."""
        if not outcomes:
            return
        now = _now()
        rows = []
        for one in outcomes:
            evidence = [text for text in map(storable, one.evidence) if text]
            why = (storable(one.reason), storable(one.detail[:_DETAIL_CHARS]))
            ref = one.ref
            start = (ref.key.casefold(), ref.owner, ref.slug, evidence)
            rows.append([*start, now, now, one.status, *why])
        with self._open() as db:
            db.execute("BEGIN")
            db.executemany(_CONCLUDE, rows)
            db.execute("COMMIT")

    def fetched(self, ref: DatasetRef, n_bytes: int, sha256: str, n_files: int) -> None:
        """Note that a version is in the cache."""
        query = (
            "INSERT INTO versions VALUES (?, ?, NULL, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "fetched_at = excluded.fetched_at, archive_bytes = excluded.archive_bytes, "
            "archive_sha256 = excluded.archive_sha256, n_files = excluded.n_files"
        )
        now = _now()
        values = [ref.key.casefold(), ref.version, now, now, n_bytes, sha256, n_files]
        with self._open() as db:
            db.execute(query, values)

    def rows(
        self, columns: Sequence[str], *, status: str = "", reason: str = "", match: str = ""
    ) -> list[dict[str, Any]]:
        """Datasets with these columns, by key; `match` is part of a key or title."""
        assert set(columns) <= set(COLUMNS), columns
        query = (
            f"SELECT {', '.join(COLUMNS[name] for name in columns)} FROM datasets "
            "WHERE (? = '' OR status = ?) AND (? = '' OR reason = ?) "
            "AND (? = '' OR contains(key, lower(?)) OR contains(lower(title), lower(?))) "
            "ORDER BY key"
        )
        status, reason, match = map(storable, (status, reason, match))
        values = [status, status, reason, reason, match, match, match]
        with self._open(to_read=True) as db:
            rows = db.execute(query, values).fetchall()
        return [dict(zip(columns, row, strict=True)) for row in rows]

    @contextmanager
    def _open(self, *, to_read: bool = False) -> Iterator["duckdb.DuckDBPyConnection"]:
        """The file for one transaction; waits while another process has it."""
        with self._lock:
            if not self._path.exists():
                self._make()
            with (
                closing(_connected(self._path, to_read=to_read)) as db,
                _catalogue_errors(self._path),
            ):
                yield db

    def _make(self) -> None:
        """An empty file; a killed process must not leave half of one."""
        with placed(self._path) as unfinished, closing(_connected(unfinished, to_read=False)) as db:
            db.execute(_SCHEMA)


COLUMNS: Mapping[str, str] = {
    "dataset": "owner || '/' || slug",
    "version": "version",
    "status": "status",
    "reason": "reason",
    "detail": "detail",
    "licence": "licence",
    "licence_evidence": "licence_evidence",
    "title": "title",
    "updated_at": "updated_at",
    "bytes": "bytes",
    "usability": "usability",
    "votes": "votes",
    "downloads": "downloads",
    "tags": "tags",
    "first_seen": "first_seen",
    "last_checked": "last_checked",
    "versions": "(SELECT list(v.version ORDER BY v.version) FROM versions v "
    "WHERE v.key = datasets.key)",
    "record": "record",
}
"""What can be asked of a dataset: our own names, and how the file answers them."""

_ANEW = """(
    datasets.status = 'passed_over'
    OR (excluded.version IS DISTINCT FROM datasets.version AND excluded.status != 'passed_over')
    OR (excluded.status = 'passed_over' AND datasets.crawl < excluded.crawl)
)"""
"""When what became of a dataset before says nothing about it any more. What one search of a crawl
wants is not passed over because another does not."""
_UPSERT = f"""
INSERT INTO datasets SELECT * FROM page ON CONFLICT DO UPDATE SET
    owner = excluded.owner, slug = excluded.slug, title = excluded.title,
    licence = excluded.licence, updated_at = excluded.updated_at, bytes = excluded.bytes,
    usability = excluded.usability, votes = excluded.votes, downloads = excluded.downloads,
    tags = excluded.tags, record = excluded.record, last_checked = excluded.last_checked,
    crawl = excluded.crawl, version = excluded.version,
    licence_evidence = CASE WHEN {_ANEW} THEN [] ELSE datasets.licence_evidence END,
    status = CASE WHEN {_ANEW} THEN excluded.status ELSE datasets.status END,
    reason = CASE WHEN {_ANEW} THEN excluded.reason ELSE datasets.reason END,
    detail = CASE WHEN {_ANEW} THEN excluded.detail ELSE datasets.detail END
    WHERE excluded.record != ''
"""
_SEEN_AGAIN = """
UPDATE datasets SET last_checked = page.last_checked, crawl = page.crawl
    FROM page WHERE datasets.key = page.key AND page.record = ''
"""
_CONCLUDE = """
INSERT INTO datasets
    (key, owner, slug, licence_evidence, first_seen, last_checked, status, reason, detail,
     record, crawl)
    VALUES (?, ?, ?, ?::VARCHAR[], ?, ?, ?, ?, ?, '', 0)
    ON CONFLICT DO UPDATE SET
    status = excluded.status, reason = excluded.reason, detail = excluded.detail,
    last_checked = excluded.last_checked,
    licence_evidence = CASE WHEN len(excluded.licence_evidence) > 0
        THEN excluded.licence_evidence ELSE datasets.licence_evidence END
"""
_NEW_VERSIONS = """
INSERT INTO versions
    SELECT key, version, updated_at, first_seen, NULL, NULL, NULL, NULL FROM page
    WHERE version IS NOT NULL
    ON CONFLICT DO UPDATE SET updated_at = excluded.updated_at
"""


@contextmanager
def _catalogue_errors(path: Path) -> Iterator[None]:
    """What goes wrong in the file as a `CatalogueError`."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise CatalogueError(_DAMAGED.format(path=path, detail=_first_line(error))) from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _connected(path: Path, *, to_read: bool) -> "duckdb.DuckDBPyConnection":
    import duckdb

    config: dict[str, Any] = {
        "threads": 1,
        "memory_limit": _MEMORY,
        # Otherwise a function that is not there is looked for on the network.
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return duckdb.connect(str(path), read_only=to_read, config=config)
        except duckdb.Error as error:
            if "Could not set lock" not in str(error):
                detail = _first_line(error)
                raise CatalogueError(_DAMAGED.format(path=path, detail=detail)) from None
            if time.monotonic() > deadline:
                raise CatalogueBusyError(
                    f"{path} is held by another process; try again when it has ended"
                ) from None
            time.sleep(0.05)


def _as_table(seen: Mapping[str, SearchResult], crawl: int, now: datetime) -> Any:
    """The page as rows of `datasets`."""
    import pyarrow as pa

    text, texts = pa.string(), pa.list_(pa.string())
    schema = pa.schema(
        [
            *(("key", text), ("owner", text), ("slug", text), ("version", pa.int32())),
            *(("title", text), ("licence", text), ("licence_evidence", texts)),
            *(("updated_at", text), ("bytes", pa.int64()), ("usability", pa.float64())),
            *(("votes", pa.int64()), ("downloads", pa.int64()), ("tags", texts)),
            *(("record", text), ("first_seen", pa.timestamp("us"))),
            *(("last_checked", pa.timestamp("us")), ("crawl", pa.int32())),
            *(("status", text), ("reason", text), ("detail", text)),
        ]
    )
    rows = [
        {
            "key": key,
            "owner": one.ref.owner,
            "slug": one.ref.slug,
            "version": one.ref.version if one.knows_version else None,
            "title": one.title,
            "licence": one.licence,
            "licence_evidence": [],
            "updated_at": one.updated_at,
            "bytes": one.bytes,
            "usability": one.usability,
            "votes": one.votes,
            "downloads": one.downloads,
            "tags": list(one.tags),
            "record": one.record,
            "first_seen": now,
            "last_checked": now,
            "crawl": crawl,
            "status": "passed_over" if one.passed_over else "listed",
            "reason": "search" if one.passed_over else "",
            "detail": one.passed_over,
        }
        for key, one in seen.items()
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def _count(db: "duckdb.DuckDBPyConnection", crawl: int) -> int:
    (shown,) = _row(db.execute("SELECT count(*) FROM datasets WHERE crawl = ?", [crawl]))
    return int(shown)


def _row(result: Any) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = result.fetchone()
    assert row is not None, "an aggregate has a row"
    return row


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def parsed_record(text: str) -> dict[str, Any]:
    """The JSON object of a record; empty for anything else."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
