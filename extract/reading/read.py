"""From a dataset at its source to typed tables in the store.

Every file is parsed in a worker under limits on time, memory, bytes, rows, columns and expansion.
A file that breaks, or breaks its worker, is named in `skipped` and the others go on; a dataset
without any table is a `no_table` drop. The result is remembered under the hashes of all files, the
configuration and the code, so nothing is parsed twice.

Tables are kept in the order of the files' names, rows in source order.
"""

import errno
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar

import polars as pl

from extract.dataset import Column, DatasetRef, Licence, RawDataset, SkippedFile, Table
from extract.drop import Drop, Reason, dataset_drop
from extract.files.unreadable import UnreadableError
from extract.licenses import admit
from extract.memory import Memory, Stage
from extract.noun import Noun
from extract.reading.archive import is_archive, unpack
from extract.reading.formats import Sheet, is_tabular, read_sheets
from extract.reading.limits import MAX_FILES, ReadConfig
from extract.reading.names import column_names, table_name
from extract.reading.types import TypedColumn, type_column, type_native
from extract.source import Listing, Source
from extract.store import Store, sha256_of
from extract.untrusted_text import one_line
from extract.workers import WorkerDied, Workers, WorkerTimeout, run_patiently

_T = TypeVar("_T")

_SKIPPED = 100
_DETAIL_CHARS = 300
_NAME_CHARS = 200
_HEADER_CHARS = 1000


class ParsedTable(Noun):
    """One table that a worker has typed and written."""

    label: str
    path: Path
    n_rows: int
    columns: tuple[Column, ...]
    note: str


def read_dataset(
    source: Source, ref: DatasetRef, memory: Memory, workers: Workers, config: ReadConfig
) -> RawDataset | Drop:
    """A dataset with all its readable tables, or why there is none."""
    listing = source.fetch(ref)
    if isinstance(listing, Drop):
        return listing
    licence = admit(ref, listing.statements, config.licence)
    if isinstance(licence, Drop):
        return licence
    if listing.withheld:
        detail = f"only its records are here, since {listing.withheld}; run: opendare fetch"
        return dataset_drop(ref.key, Reason.NOT_FETCHED, detail, transient=True)
    hashes = {name: sha256_of(listing.folder / name) for name in listing.files}
    if damaged := _damaged(listing, hashes):
        return damaged
    described = listing.model_dump(mode="json", exclude={"folder", "hashes"})
    (dataset,) = memory.recall(
        _READ,
        (described, hashes, config),
        tuple[RawDataset | Drop, ...],
        lambda: (_read(listing, licence, hashes, memory.store, workers, config),),
        files=_files,
        is_final=_is_final,
    )
    return dataset


def _damaged(listing: Listing, hashes: dict[str, str]) -> Drop | None:
    """Pending work when files are not what was fetched: such changes must not reach a release."""
    changed = sorted(
        name
        for name in hashes.keys() | listing.hashes.keys()
        if listing.hashes and listing.hashes.get(name) != hashes.get(name)
    )
    if not changed:
        return None
    expected, observed = listing.hashes.get(changed[0]), hashes.get(changed[0])
    detail = (
        f"{one_line(changed[0], _NAME_CHARS)}: expected sha256 {expected}, found {observed}; "
        f"fetch again after: rm -r {listing.folder.resolve()}"
    )
    return dataset_drop(listing.ref.key, Reason.DAMAGED, detail, transient=True)


def _is_final(result: tuple[RawDataset | Drop, ...]) -> bool:
    """Whether no file was left out for a reason that may lie in the load of this machine."""
    read = (dataset for dataset in result if not isinstance(dataset, Drop))
    reasons = {file.reason for dataset in read for file in dataset.skipped}
    return not reasons & {"timeout", "worker_died"}


def _files(result: tuple[RawDataset | Drop, ...]) -> Iterator[str]:
    for dataset in result:
        if not isinstance(dataset, Drop):
            yield from (table.sha256 for table in dataset.tables)


def _read(
    listing: Listing,
    licence: Licence,
    hashes: dict[str, str],
    store: Store,
    workers: Workers,
    config: ReadConfig,
) -> RawDataset | Drop:
    with store.scratch() as scratch:
        reading = _Reading(store, workers, config, scratch)
        reading.skipped += listing.skipped
        for name in listing.files:
            reading.read(listing.folder / name, name, hashes[name])
    skipped = tuple(reading.skipped[:_SKIPPED])
    if not reading.tables:
        return _no_table(listing.ref, skipped)
    identity = "\n".join(f"{sha256} {name}" for name, sha256 in sorted(hashes.items()))
    return RawDataset(
        **listing.model_dump(
            include={
                "ref",
                "title",
                "subtitle",
                "description",
                "tags",
                "creator",
                "url",
                "updated_at",
            }
        ),
        licence=licence,
        tables=tuple(reading.tables),
        skipped=skipped,
        sha256=hashlib.sha256(identity.encode()).hexdigest(),
    )


def _no_table(ref: DatasetRef, skipped: tuple[SkippedFile, ...]) -> Drop:
    evidence = "; ".join(f"{file.name}: {file.reason}: {file.detail}" for file in skipped)
    detail = f"expected a file with a table, found {len(skipped)} files without"
    return dataset_drop(ref.key, Reason.NO_TABLE, detail, evidence=evidence)


@dataclass
class _Reading:
    """What has been read of one dataset so far."""

    store: Store
    workers: Workers
    config: ReadConfig
    scratch: Path
    tables: list[Table] = field(default_factory=list)
    skipped: list[SkippedFile] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    n_files: int = 0

    def read(self, path: Path, name: str, sha256: str, depth: int = 0) -> None:
        """Read one file, or the members of an archive; what fails is noted and nothing else."""
        try:
            if is_archive(name):
                self._read_archive(path, name, sha256, depth)
            elif is_tabular(name):
                self._read_tables(path, name, sha256)
            else:
                raise UnreadableError("not_a_table", "its suffix is not one of a table")
        except UnreadableError as error:
            self._skip(name, error.reason, error.detail)
        except WorkerTimeout as error:
            self._skip(name, "timeout", str(error))
        except WorkerDied as error:
            self._skip(name, "worker_died", str(error))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                # The disk of this machine says nothing about the file.
                raise
            self._skip(name, "broken_file", f"{type(error).__name__}: {error.strerror}")
        except Exception as error:
            # Whatever a parser raises is about this file; the paths in it are of this machine.
            detail = f"{type(error).__name__}: {error}".replace(str(path), name)
            self._skip(name, "broken_file", detail.replace(str(self.scratch), ""))

    def _read_archive(self, path: Path, name: str, sha256: str, depth: int) -> None:
        if depth > (not name.lower().endswith(".zip")):
            raise UnreadableError("not_a_table", "it is an archive inside an archive")
        for member, unpacked in self._run(unpack, path, name, self._folder(), self.config):
            self.read(unpacked, f"{name}/{one_line(member, _NAME_CHARS)}", sha256, depth + 1)

    def _read_tables(self, path: Path, name: str, sha256: str) -> None:
        self.n_files += 1
        if self.n_files > MAX_FILES:
            detail = f"expected at most {MAX_FILES} files with tables"
            raise UnreadableError("too_many_files", detail)
        parsed_tables = self._run(parse_file, path, name, self._folder(), self.config)
        for parsed in parsed_tables:
            stem = _stem(name)
            table = Table(
                name=table_name(f"{stem} {parsed.label}".strip(), self.taken),
                source_file=name,
                source_sha256=sha256,
                sha256=self.store.add(parsed.path),
                n_rows=parsed.n_rows,
                columns=parsed.columns,
            )
            self.tables.append(table)
            if parsed.note:
                self._skip(name, "rows_left_out", parsed.note)
        if not parsed_tables:
            raise UnreadableError("empty", "expected rows, found none")

    def _run(self, function: Callable[..., _T], *args: object) -> _T:
        return run_patiently(self.workers, function, *args, timeout_s=self.config.timeout_s)

    def _folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.scratch))

    def _skip(self, name: str, reason: str, detail: str) -> None:
        line = one_line(detail, _DETAIL_CHARS)
        self.skipped.append(SkippedFile(name=name, reason=reason, detail=line))


def _stem(name: str) -> str:
    """`data` for `folder/data.csv.gz`."""
    last = PurePosixPath(name).name
    while is_archive(last) or is_tabular(last):
        last = PurePosixPath(last).stem
    return last


def parse_file(path: Path, name: str, folder: Path, config: ReadConfig) -> tuple[ParsedTable, ...]:
    """Read, type and write all tables of one file into `folder`; runs inside a worker.

    Tables without rows or columns are left out. Raises `UnreadableError`, or whatever a parser
    raises on hostile bytes.
    """
    parsed = (
        _parse(sheet, folder / f"{n}.parquet")
        for n, sheet in enumerate(read_sheets(path, name, config))
    )
    return tuple(table for table in parsed if table.n_rows and table.columns)


def _parse(sheet: Sheet, path: Path) -> ParsedTable:
    names = column_names(sheet.headers)
    typed: list[tuple[str, str, TypedColumn]] = []
    for name, header, values in zip(names, sheet.headers, sheet.columns, strict=True):
        column = _typed(values, name, sheet.semicolons)
        nothing = column is None or (not header.strip() and column.values.is_null().all())
        if column is not None and not nothing:
            typed.append((name, header, column))
    frame = pl.DataFrame([column.values.alias(name) for name, _, column in typed])
    frame.write_parquet(path, compression="zstd", statistics=False)
    return ParsedTable(
        label=one_line(sheet.label, _NAME_CHARS),
        path=path,
        n_rows=frame.height,
        columns=tuple(_column(*parts) for parts in typed),
        note=sheet.note,
    )


def _typed(values: pl.Series, name: str, semicolons: bool) -> TypedColumn | None:
    if values.dtype == pl.String:
        return type_column(values, name, semicolons)
    return type_native(values, name)


def _column(name: str, header: str, typed: TypedColumn) -> Column:
    return Column(
        name=name,
        source_name=one_line(header, _HEADER_CHARS),
        type=typed.type,
        n_missing=typed.values.null_count(),
        source_format=typed.rule,
    )


_READ = Stage("read", (_read, parse_file))
