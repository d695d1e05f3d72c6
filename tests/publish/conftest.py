"""Small proven tasks on disk, as the earlier rooms would hand them over."""

import atexit
import csv
import hashlib
import io
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from extract.dataset import Column, DatasetRef, Licence, LicenceTier, RawDataset, Table
from extract.drop import Drop
from extract.store import Store
from publish.folder import BuildResults, publish
from publish.release import ProvenTask, Release
from publish.selecting.split import SplitEvidence
from publish.settings import PublishConfig
from transform.plan import Repair
from transform.task import (
    ColumnSpec,
    DataFiles,
    FileFormat,
    Grading,
    Instructions,
    StepSpec,
    Task,
    TaskFile,
    TaskSpec,
    Truth,
    Variant,
)
from validate.trial import Attempt, Trial
from validate.verdict import Check, Proofs, Verdict

N_ROWS, N_TRAIN = 60, 45
COLUMNS = {"area": "number", "rooms": "integer", "town": "text", "day": "time"}
TARGET = "price"
_CONFIG = PublishConfig()
STORE = Store(tempfile.mkdtemp(prefix="opendare-store-")).opened()
"""Where the files of all made tasks lie; named by content, so tests do not meet."""
atexit.register(shutil.rmtree, STORE.url, ignore_errors=True)
_SPDX = {
    "open": "CC0-1.0",
    "share-alike": "CC-BY-SA-4.0",
    "non-commercial": "CC-BY-NC-4.0",
    "recipe-only": "CC-BY-ND-4.0",
}


@dataclass
class Workshop:
    """Makes sources and tasks below one folder."""

    folder: Path

    def source(
        self, slug: str, updated_at: str | None = None, tier: LicenceTier = "open", **fields: Any
    ) -> RawDataset:
        names = [*COLUMNS, TARGET]
        columns = tuple(
            Column(name=n, source_name=n.upper(), type="text", n_missing=0) for n in names
        )
        table = Table(
            name="homes",
            source_file="homes.csv",
            source_sha256="0" * 64,
            sha256=hashlib.sha256(slug.encode()).hexdigest(),
            n_rows=N_ROWS,
            columns=columns,
        )
        values: dict[str, Any] = {
            "ref": DatasetRef(owner="ann", slug=slug, version=2),
            "title": f"Homes of {slug}",
            "subtitle": "",
            "description": "The price of each home in the town, with the area and the rooms of it.",
            "tags": ("business",),
            "creator": "Ann",
            "url": f"https://example.org/ann/{slug}",
            "updated_at": updated_at,
            "licence": Licence(spdx=_SPDX[tier], tier=tier, evidence=("license: x (meta.json)",)),
            "tables": (table,),
            "skipped": (),
            "sha256": hashlib.sha256(slug.encode()).hexdigest(),
        }
        return RawDataset(**{**values, **fields})

    def rows(self, source: RawDataset) -> pl.DataFrame:
        """All rows of a source with their ids; the last 15 are held out."""
        rng = random.Random(source.ref.slug)
        return pl.DataFrame(
            {
                "row_id": rng.sample(range(N_ROWS), N_ROWS),
                "area": [rng.uniform(20, 200) for _ in range(N_ROWS)],
                "rooms": [rng.randint(1, 6) for _ in range(N_ROWS)],
                "town": [rng.choice(["Ulm, Donau", 'Bad "Tölz"', "Hof"]) for _ in range(N_ROWS)],
                "day": [f"2024-01-{i % 28 + 1:02d}" for i in range(N_ROWS)],
                TARGET: [rng.uniform(1e5, 1e6) for _ in range(N_ROWS)],
            }
        )

    def released(
        self,
        source: RawDataset,
        variant: Variant = "reg-mm",
        format: FileFormat = "csv",
        train: pl.DataFrame | None = None,
        val: pl.DataFrame | None = None,
        question: str = "Predict `price`.",
    ) -> ProvenTask:
        """A task on the source; `train` and `val` replace its tables."""
        rows = self.rows(source)
        held_out = rows[N_TRAIN:].sort("row_id")
        train = rows[:N_TRAIN].sort("row_id") if train is None else train
        val = held_out.drop(TARGET) if val is None else val
        task_id = f"ann__{source.ref.slug}__v2__{variant}-{format:_<8}"
        folder = self.folder / task_id
        (folder / "public").mkdir(parents=True)
        (folder / "metadata.md").write_text("x")
        data = DataFiles(format=format, parts=2 if format == "sqlite" else 1)
        files = write_public(folder / "public", data, train, val)
        truth = held_out.select("row_id", TARGET)
        if variant.endswith("-if"):
            truth = truth.with_columns(pl.col(TARGET) * 1.01)
        truth.write_parquet(folder / "truth.parquet")
        executed = variant.endswith("-if")
        steps = (StepSpec(kind="fit", parameters={"model": "Ridge"}),) if executed else ()
        metric = "allclose" if executed else "clipped_r2"
        spec = TaskSpec(
            task_id=task_id,
            source=source.ref,
            source_sha256=source.sha256,
            table="homes",
            instructions=Instructions(
                variant=variant,
                problem="forecasting" if variant.startswith("ts") else "regression",
                data=data,
                columns=tuple(ColumnSpec(name=n, type=t) for n, t in COLUMNS.items()),
                targets=(TARGET,),
                metric=metric,
                steps=steps,
            ),
            literal_text=question,
            question=question,
            files=files,
            noise=("duplicates",) if executed else (),
            n_rows=N_ROWS,
            n_cols=len(COLUMNS) + 1,
            proposer="heuristic-1",
        )
        truth_sha = hashlib.sha256((folder / "truth.parquet").read_bytes()).hexdigest()
        store = STORE
        for path in folder.rglob("*"):
            if path.is_file():
                store.add(path)
        task = Task(
            spec=spec,
            truth=Truth(
                sha256=truth_sha,
                grading=Grading(metric=metric, targets=(TARGET,), n_rows=truth.height),
                program="print('reference')\n" if executed else None,
            ),
        )
        checks = (Check(name="controls", verdict="valid", value=1.0, threshold=1.0),)
        proofs = Proofs(controls={"truth": (1.0, "ok")})
        verdict = Verdict(task_id=task_id, checks=checks, proofs=proofs)
        return ProvenTask(task=task, verdict=verdict)


def trial(item: ProvenTask) -> Trial:
    """The trial that a proven task came from."""
    spec = item.task.spec
    return Trial(
        task_id=spec.task_id,
        source=spec.source.key,
        variant=spec.instructions.variant,
        attempts=(Attempt(repair=Repair(), verdict=item.verdict),),
        result=item.task,
    )


def publish_all(
    released: Sequence[ProvenTask],
    sources: Sequence[RawDataset],
    out: Path,
    rejects: Sequence[Drop] = (),
    config: PublishConfig = _CONFIG,
    resolved: Mapping[str, Any] | None = None,
    evidence: SplitEvidence | None = None,
) -> Release:
    """Publish tasks as a build would; a source is as fresh as its last update unless told."""
    ages = {source.ref.key: source.updated_at for source in sources}
    evidence = evidence or SplitEvidence(freshness=ages)
    trials = [trial(item) for item in released]
    results = BuildResults(trials, sources, evidence, rejects)
    return publish(results, config, resolved or {}, out, STORE)


def write_public(
    folder: Path, data: DataFiles, train: pl.DataFrame, val: pl.DataFrame
) -> tuple[TaskFile, ...]:
    tables = {"train": train, "val": val}
    contents: dict[str, tuple[bytes, str, str]] = {}
    if data.format == "sqlite":
        contents["data.sqlite"] = (_sqlite(tables), "sqlite", "data")
    for role, table in tables.items() if data.format != "sqlite" else ():
        content = _csv(table) if data.format == "csv" else _parquet(table)
        contents[f"{role}.{data.format}"] = (content, data.format, role)
    contents["metadata.md"] = (b"# Homes\n", "markdown", "metadata")
    files = []
    for name, (content, format, role) in contents.items():
        (folder / name).write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        fields = {"format": format, "role": role}
        files.append(TaskFile(name=name, sha256=sha256, bytes=len(content), **fields))
    return tuple(files)


def _csv(table: pl.DataFrame) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([table.columns, *table.rows()])
    return text.getvalue().encode()


def _parquet(table: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    table.write_parquet(content)
    return content.getvalue()


def _sqlite(tables: dict[str, pl.DataFrame]) -> bytes:
    database = sqlite3.connect(":memory:")
    for role, table in tables.items():
        names = table.columns[1:]
        for part, columns in enumerate((names[:2], names[2:]), start=1):
            _insert(database, f"{role}_{part}", table.select("row_id", *columns))
    database.commit()
    content = database.serialize()
    database.close()
    return content


def _insert(database: sqlite3.Connection, name: str, table: pl.DataFrame) -> None:
    columns = ", ".join(f'"{column}"' for column in table.columns)
    marks = ", ".join("?" * table.width)
    database.execute(f'CREATE TABLE "{name}" ({columns})')
    database.executemany(f'INSERT INTO "{name}" VALUES ({marks})', table.rows())


@dataclass
class Build:
    """What a build hands to publishing."""

    sources: Sequence[RawDataset]
    released: Sequence[ProvenTask]


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "workshop")


@pytest.fixture
def build(workshop: Workshop) -> Build:
    return full_build(workshop)


@pytest.fixture
def make_build() -> Any:
    """The same build below any folder."""
    return lambda folder: full_build(Workshop(folder))


def full_build(workshop: Workshop) -> Build:
    """Six open and two share-alike sources; four variants and all formats."""
    opens = [workshop.source(f"open{i}", f"202{i}-05-01T00:00:00.123Z") for i in range(6)]
    alike = [workshop.source(f"alike{i}", f"202{i}-06-01", tier="share-alike") for i in range(2)]
    sources = [*opens, *alike]
    released = [workshop.released(source, "reg-mm", "csv") for source in sources]
    released += [workshop.released(source, "reg-if", "parquet") for source in opens]
    released += [workshop.released(source, "ts-cf", "sqlite") for source in opens[:2] + opens[5:]]
    return Build(sources, released)
