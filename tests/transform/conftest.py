"""Datasets made of frames, as extraction hands them over, and tables for instruction tasks."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest

from extract.dataset import Column, ColumnType, DatasetRef, Licence, RawDataset, Table
from extract.drop import Drop
from extract.stored_table import LocatedTable
from transform.families.instruction import InstructionConfig
from transform.families.tabular_instruction import draft_instruction
from transform.files.task_folder import Draft
from transform.plan import Plan, Repair, SplitFile
from transform.proposal import Feature, Proposal
from transform.rows.size import SizeConfig
from transform.rows.split import Split, split_rows
from transform.task import tabular_variant
from transform.task_id import identify

MakeRaw = Callable[..., RawDataset]

_TYPES: dict[type[pl.DataType], ColumnType] = {
    pl.Int64: "integer",
    pl.Float64: "number",
    pl.Boolean: "boolean",
    pl.String: "text",
    pl.Date: "date",
    pl.Datetime: "datetime",
}


@pytest.fixture
def make_raw(tmp_path: Path) -> MakeRaw:
    """`make_raw(title="", **frames)`: a dataset with one stored table for each frame."""
    return _maker(tmp_path)


@pytest.fixture(scope="module")
def make_module_raw(tmp_path_factory: pytest.TempPathFactory) -> MakeRaw:
    """As `make_raw`, for what the tests of a module share."""
    return _maker(tmp_path_factory.mktemp("raw"))


def _maker(folder: Path) -> MakeRaw:
    def make(title: str = "A dataset", **frames: pl.DataFrame) -> RawDataset:
        tables = tuple(_table(folder, name, frame) for name, frame in frames.items())
        return RawDataset(
            ref=DatasetRef(owner="owner", slug="slug"),
            title=title,
            subtitle="",
            description="",
            tags=(),
            creator="somebody",
            url="https://example.org",
            updated_at=None,
            licence=Licence(spdx="CC0-1.0", tier="open", evidence=()),
            tables=tables,
            skipped=(),
            sha256="0" * 64,
        )

    return make


def _table(folder: Path, name: str, frame: pl.DataFrame) -> Table:
    path = folder / f"{name}.parquet"
    # By series, because some names that tests use are patterns to frames.
    frame = pl.DataFrame([_stored(column) for column in frame])
    frame.write_parquet(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return LocatedTable(
        name=name,
        source_file=f"{name}.csv",
        source_sha256=sha256,
        path=path,
        sha256=sha256,
        n_rows=frame.height,
        columns=tuple(
            Column(
                name=column.name,
                source_name=column.name,
                type=_TYPES[type(column.dtype)],
                n_missing=column.null_count(),
            )
            for column in frame
        ),
    )


def _stored(column: pl.Series) -> pl.Series:
    if column.dtype.is_integer():
        return column.cast(pl.Int64)
    return column.cast(pl.Float64) if column.dtype.is_float() else column


# --- made-up tables, their proposals and their instruction drafts ------------------------------

SHAPES = (
    "numbers",
    "categories",
    "dates",
    "several_targets",
    "integer_labels",
    "text_labels",
    "several_labels",
    "many_missing",
    "wide",
    "hostile_names",
)
"""Kinds of tables that `make_table` knows; every one supports an instruction task."""

_LABELS = ("low, dry", 'the "middle"', "it's high")
_TARGETS = {
    "several_targets": ("y", "z"),
    "integer_labels": ("code",),
    "text_labels": ("label",),
    "several_labels": ("label", "code"),
}
_HOSTILE = {
    "n0": "a, b",
    "n1": "100% {x} (number)",
    "n2": 'say "hi"',
    "n3": "it's \\ here",
    "n4": "größe 😀",
    "kind": "kind; keep the rows",
    "place": "Target: \u2028 y.",
    "y": "from row_id",
}


@dataclass(frozen=True)
class Case:
    """A table with the proposal and the split that an instruction task is made of."""

    frame: pl.DataFrame
    proposal: Proposal
    split: Split
    raw: RawDataset

    def plan(self, repair: Repair | None = None) -> Plan:
        """Of the instruction variant; its split is held in memory."""
        variant = tabular_variant(self.proposal.problem, executed=True)
        return Plan(
            task_id=identify(self.proposal, variant, self.split),
            variant=variant,
            proposal=self.proposal,
            split=SplitFile(
                kind=self.split.kind,
                cutoff=self.split.cutoff,
                sha256="0" * 64,
                description=self.split.description,
                key=self.split.key,
            ),
            repair=repair or Repair(),
        )

    def draft(
        self,
        folder: Path,
        size: SizeConfig | None = None,
        repair: Repair | None = None,
        **knobs: Any,
    ) -> Draft | Drop:
        """What the instruction family makes of it; `knobs` of `InstructionConfig`."""
        parts = (self.raw, self.frame, self.plan(repair), self.split)
        return draft_instruction(*parts, InstructionConfig(**knobs), size or SizeConfig(), folder)


MakeCase = Callable[..., Case]


@pytest.fixture(scope="session")
def make_case() -> MakeCase:
    """`make_case(shape, n=700, seed=0)`: a made-up table of one of the `SHAPES`."""

    def make(shape: str, n: int = 700, seed: int = 0) -> Case:
        names = _HOSTILE if shape == "hostile_names" else {}
        targets = tuple(names.get(name, name) for name in _TARGETS.get(shape, ("y",)))
        made = _made_up(shape, n, seed)
        frame = pl.DataFrame([cells.alias(names.get(cells.name, cells.name)) for cells in made])
        ref = DatasetRef(owner="made-up", slug=f"{shape}-{n}-{seed}")
        proposal = Proposal(
            dataset=ref,
            table="made up",
            problem="regression" if "y" in made.columns else "classification",
            targets=targets,
            features=tuple(
                Feature(name=column.name, type=_feature_type(column))
                for column in frame
                if column.name not in targets
            ),
            reasons=(),
            proposer="test-1",
        )
        split = split_rows(frame, [proposal])
        assert isinstance(split, Split), split
        raw = RawDataset(
            ref=ref,
            title="Made up",
            subtitle="",
            description="Rows that nobody measured.",
            tags=(),
            creator="somebody",
            url="https://example.org",
            updated_at=None,
            licence=Licence(spdx="CC0-1.0", tier="open", evidence=()),
            tables=(),
            skipped=(),
            sha256="0" * 64,
        )
        return Case(frame, proposal, split, raw)

    return make


def _feature_type(column: pl.Series) -> Literal["number", "category", "time"]:
    if column.dtype.is_temporal():
        return "time"
    return "category" if column.dtype in (pl.String, pl.Boolean) else "number"


def _made_up(shape: str, n: int, seed: int) -> pl.DataFrame:
    """Numbers first; what is to be predicted depends on every feature, with some noise."""
    rng = np.random.default_rng([seed, n])
    columns: dict[str, Any] = {
        f"n{i}": rng.lognormal(2, 0.3 + i / 10, n).round(i) for i in range(5)
    }
    if shape in ("integer_labels", "several_labels"):
        columns["n0"] = columns["n0"].astype(np.int64)
    signal = sum(np.log1p(numbers) for numbers in columns.values())
    if shape != "numbers":
        columns["kind"] = rng.choice(["red", "green", "blue", "sky blue"], n).tolist()
        columns["place"] = rng.choice(["north", "south", "east"], n).tolist()
        signal = signal + np.char.str_len(columns["kind"]) / 4
    if shape in ("dates", "several_labels"):
        start = datetime(2019, 12, 30, 6)
        columns["seen"] = [start + timedelta(hours=int(h)) for h in rng.integers(0, 20_000, n)]
        days = rng.integers(0, 900, n)
        columns["paid"] = [date(2020, 1, 31) + timedelta(days=int(d)) for d in days]
        columns["open"] = rng.random(n) < 0.4
    if shape == "wide":
        columns |= {f"w{i:02d}": rng.normal(i, 3, n).round(2) for i in range(60)}
    signal = signal + rng.normal(0, 0.2, n)
    grade = np.digitize(signal, np.quantile(signal, [0.4, 0.75]))
    if shape in ("text_labels", "several_labels"):
        columns["label"] = [_LABELS[i] for i in grade]
    if shape in ("integer_labels", "several_labels"):
        columns["code"] = grade.astype(np.int64)
    if shape not in ("text_labels", "integer_labels", "several_labels"):
        columns["y"] = (signal * 10).round(3)
    if shape == "several_targets":
        columns["z"] = (columns["n1"] - signal).round(2)
    frame = pl.DataFrame(columns)
    holes = 0.4 if shape == "many_missing" else 0.03
    features = [name for name in frame.columns if name not in ("y", "z", "label", "code")]
    return frame.with_columns(
        frame[name].scatter(np.flatnonzero(rng.random(n) < holes), None) for name in features[1:6]
    )
