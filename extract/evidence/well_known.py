"""The tables that everybody has seen: those that ship inside scikit-learn and statsmodels.

Takes a folder to write them into, returns evidence about the tables, to be compared with like any
source, so that a well-known table is found under other names, in other units and in part. All
tables of the two packages count, whatever their terms: nothing of them is shipped. Famous tables
that neither package holds are not known here.
"""

import hashlib
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from extract.dataset import Column, DatasetRef, Table
from extract.evidence.evidence import SourceEvidence
from extract.evidence.near_duplicates.sketch import sketch
from extract.reading.types import type_column, type_native
from extract.stored_table import LocatedTable

_LOADERS = ("iris", "wine", "breast_cancer", "diabetes", "digits", "linnerud")
"""Of scikit-learn; the other loaders download."""
_NO_TABLE = ("template_data", "tests", "utils")
"""Modules beside the tables of statsmodels. A table that fails to load is no reason to go on: its
copies would be taken for news."""


def well_known_evidence(folder: Path) -> tuple[SourceEvidence, ...]:
    """One item for each table; they are written into `folder`, which may hold them already."""
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(_evidence(slug, frame, folder) for slug, frame in _tables())


def _evidence(slug: str, frame: Any, folder: Path) -> SourceEvidence:
    return SourceEvidence(
        ref=DatasetRef(owner="well_known", slug=slug),
        newest_instant=None,
        last_update=None,
        domain="other",
        language=None,
        tags=("well_known",),
        quotes=(),
        refused_tables=(),
        personal_columns=(),
        sketches=(sketch(_stored(slug, frame, folder)),),
    )


def _stored(slug: str, frame: Any, folder: Path) -> Table:
    """The table as extraction would store it."""
    series, columns = [], []
    for place, name in enumerate(map(str, frame.columns)):
        raw = pl.Series(name, frame.iloc[:, place].tolist(), strict=False)
        typed = type_column(raw, name) if raw.dtype == pl.String else type_native(raw, name)
        if typed is not None:
            series.append(typed.values.alias(name))
            missing = typed.values.null_count()
            columns.append(Column(name=name, source_name=name, type=typed.type, n_missing=missing))
    table = pl.DataFrame(series)
    path = folder / f"{slug}.parquet"
    # Written aside first, so that a build that is killed leaves no half table behind.
    temporary = path.with_name(f".unfinished-{path.name}")
    table.write_parquet(temporary, statistics=False)
    sha256 = hashlib.sha256(temporary.read_bytes()).hexdigest()
    temporary.replace(path)
    return LocatedTable(
        name=slug,
        source_file=slug,
        source_sha256=sha256,
        path=path,
        sha256=sha256,
        n_rows=table.height,
        columns=tuple(columns),
    )


def _tables() -> Iterator[tuple[str, Any]]:
    """Names and pandas frames."""
    import sklearn.datasets
    import statsmodels.datasets

    for name in _LOADERS:
        frame = getattr(sklearn.datasets, f"load_{name}")(as_frame=True).frame
        yield f"scikit-learn-{name}".replace("_", "-"), frame
    for module in sorted(m.name for m in pkgutil.iter_modules(statsmodels.datasets.__path__)):
        if module in _NO_TABLE:
            continue
        frame = importlib.import_module(f"statsmodels.datasets.{module}.data").load_pandas().data
        if hasattr(frame, "columns") and len(frame.columns):
            # An index may hold the years, which are a column of the table.
            yield f"statsmodels-{module}".replace("_", "-"), frame.reset_index(drop=False)
