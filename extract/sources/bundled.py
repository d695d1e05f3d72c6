"""Real tables that ship inside scikit-learn and statsmodels, written as a mirror.

They make a build possible on a machine without network or account: they are written into STATE, and
read from there as any mirror is. Each table keeps what its
package says about origin and terms, word for word; statsmodels states terms for every table, and a
table whose statement is no licence ("all rights retained", "???") is left out by that rule.
scikit-learn states none for single tables: they come under the licence of the package.

Not guaranteed: that the tables are fresh or unknown to anybody. They are well-known tables.
"""

import importlib
import importlib.metadata
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from extract.files.atomic import write_placed
from extract.licenses import read_licence
from extract.records import LIST_RECORD, METADATA
from extract.source import Flaw, Opening, Source, SourceKind
from extract.sources.mirror import MirrorSource
from extract.store import sha256_of

if TYPE_CHECKING:
    import pandas as pd

_MARKER = "written.json"


class BundledConfig(SourceKind):
    """Tables of installed packages, written as a mirror before they are read."""

    kind: ClassVar[str] = "bundled"
    empty_advice: ClassVar[str] = "no dataset in {folder}: remove it, and it is written again"

    def flaw(self, mirror: Path | None) -> Flaw | None:
        """A mirror would be written over."""
        if mirror is None:
            return None
        repair = "use --config configs/mirror.yaml (make: CONFIG=), or name no mirror"
        return Flaw("source.kind bundled reads no mirror", repair)

    @contextmanager
    def open(self, opening: Opening) -> Iterator[Source]:
        """Written where it is not there yet, or was by other versions."""
        yield MirrorSource(write_bundled(opening.folder))


@dataclass(frozen=True)
class _Bundle:
    """One table with what its package says about it."""

    owner: str
    slug: str
    title: str
    description: str
    url: str
    licence: str
    updated: str | None
    table: "pd.DataFrame"


def write_bundled(root: Path) -> Path:
    """Write all tables as `<owner>/<slug>/` below `root`, unless they are there; returns `root`.

    The same versions of the two packages give the same bytes; a file that was changed is written
    again.
    """
    marker = root / _MARKER
    if not marker.is_file() or marker.read_text(encoding="utf-8") != _state(root):
        for bundle in (*_statsmodels(), *_scikit_learn()):
            _write(bundle, root)
        write_placed(marker, _state(root))
    return root


def _state(root: Path) -> str:
    """What the files were written by, and what they hold."""
    packages = ("scikit-learn", "statsmodels", "pandas")
    versions = {name: importlib.metadata.version(name) for name in packages}
    files = sorted(path for path in root.glob("*/*/*") if path.is_file())
    held = {path.relative_to(root).as_posix(): sha256_of(path) for path in files}
    return json.dumps({**versions, "code": sha256_of(Path(__file__)), "files": held})


def _write(bundle: _Bundle, root: Path) -> None:
    folder = root / bundle.owner / bundle.slug
    folder.mkdir(parents=True, exist_ok=True)
    info = {
        "ownerUser": bundle.owner,
        "datasetSlug": bundle.slug,
        "title": bundle.title,
        "description": bundle.description,
        "licenses": [{"name": bundle.licence}],
    }
    record = {
        "ref": f"{bundle.owner}/{bundle.slug}",
        "title": bundle.title,
        "creatorName": bundle.owner,
        "url": bundle.url,
        "licenseName": bundle.licence,
        "currentVersionNumber": 1,
    }
    if bundle.updated:
        record["lastUpdated"] = f"{bundle.updated}T00:00:00.000Z"
    table = bundle.table.to_csv(index=False, lineterminator="\n")
    write_placed(folder / f"{bundle.slug}.csv", table)
    write_placed(folder / METADATA, json.dumps({"info": info}))
    write_placed(folder / LIST_RECORD, json.dumps(record))


def _as_it_is(table: "pd.DataFrame") -> "pd.DataFrame":
    return table


def _with_index(name: str) -> "Callable[[pd.DataFrame], pd.DataFrame]":
    """The index as a first column; instants become ISO dates."""

    def with_index(table: "pd.DataFrame") -> "pd.DataFrame":
        index = table.index
        texts = index.strftime("%Y-%m-%d") if hasattr(index, "strftime") else index
        table = table.reset_index(drop=True)
        table.insert(0, name, list(texts))
        return table

    return with_index


def _with_quarter(table: "pd.DataFrame") -> "pd.DataFrame":
    """`1959Q1` for the columns year and quarter."""
    texts = [f"{int(y)}Q{int(q)}" for y, q in zip(table["year"], table["quarter"], strict=True)]
    table = table.drop(columns=["year", "quarter"])
    table.insert(0, "quarter", texts)
    return table


def _months_as_rows(table: "pd.DataFrame") -> "pd.DataFrame":
    """One row for each month instead of twelve columns a year."""
    import pandas as pd

    months = [
        (f"{int(year)}-{month:02d}", value)
        for year, *values in table.itertuples(index=False)
        for month, value in enumerate(values, start=1)
    ]
    return pd.DataFrame(months, columns=["month", "temperature"])


def _whole_years(name: str) -> "Callable[[pd.DataFrame], pd.DataFrame]":
    def whole_years(table: "pd.DataFrame") -> "pd.DataFrame":
        return table.assign(**{name: table[name].astype(int)})

    return whole_years


# Every dataset of statsmodels, its form as a table, and the date of the data where it is stated.
_STATSMODELS: "dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str | None]]" = {
    "anes96": (_as_it_is, None),
    "cancer": (_as_it_is, None),
    "ccard": (_as_it_is, None),
    "china_smoking": (_with_index("city"), None),
    "co2": (_with_index("week"), "2014-03-15"),
    "committee": (_as_it_is, None),
    "copper": (_as_it_is, None),
    "cpunish": (_as_it_is, None),
    "danish_data": (_with_index("quarter"), None),
    "elec_equip": (_with_index("month"), None),
    "elnino": (_months_as_rows, None),
    "engel": (_as_it_is, None),
    "fair": (_as_it_is, None),
    "fertility": (_as_it_is, None),
    "grunfeld": (_whole_years("year"), None),
    "heart": (_as_it_is, None),
    "interest_inflation": (_with_quarter, None),
    "longley": (_whole_years("YEAR"), None),
    "macrodata": (_with_quarter, "2009-12-15"),
    "modechoice": (_as_it_is, None),
    "nile": (_whole_years("year"), None),
    "randhie": (_as_it_is, None),
    "scotland": (_as_it_is, None),
    "spector": (_as_it_is, None),
    "stackloss": (_as_it_is, None),
    "star98": (_as_it_is, None),
    "statecrime": (_with_index("state"), None),
    "strikes": (_as_it_is, None),
    "sunspots": (_whole_years("YEAR"), None),
}


def _statsmodels() -> Iterator[_Bundle]:
    for name, (form, updated) in _STATSMODELS.items():
        module = importlib.import_module(f"statsmodels.datasets.{name}.data")
        licence = " ".join(module.COPYRIGHT.split())
        if read_licence(licence) is None:
            continue
        yield _Bundle(
            owner="statsmodels",
            slug=name,
            title=_line(module.TITLE),
            description=_statsmodels_text(module),
            url=f"https://www.statsmodels.org/stable/datasets/generated/{name}.html",
            licence=licence,
            updated=updated,
            table=form(module.load_pandas().data),
        )


def _statsmodels_text(module: ModuleType) -> str:
    parts = (module.DESCRLONG, module.NOTE, f"Source: {module.SOURCE.strip()}")
    return "\n\n".join(part.strip() for part in parts)


def _line(text: str) -> str:
    return " ".join(text.replace("__doc__", "").split())


# scikit-learn's tables, the argument that gives values as they were measured, and the date stated.
_SCIKIT_LEARN: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "iris": ("Iris plants dataset", {}, "1988-07-01"),
    "wine": ("Wine recognition dataset", {}, "1988-07-01"),
    "breast_cancer": ("Breast cancer Wisconsin (diagnostic) dataset", {}, "1995-11-01"),
    "diabetes": ("Diabetes dataset", {"scaled": False}, None),
    "digits": ("Optical recognition of handwritten digits dataset", {}, "1998-07-01"),
    "linnerud": ("Linnerud dataset", {}, None),
}


def _scikit_learn() -> Iterator[_Bundle]:
    import sklearn.datasets

    about = importlib.metadata.metadata("scikit-learn")
    licence = about["License-Expression" if "License-Expression" in about else "License"]
    terms = f"The table is part of scikit-learn and comes under its licence, {licence}."
    for name, (title, arguments, updated) in _SCIKIT_LEARN.items():
        loaded = getattr(sklearn.datasets, f"load_{name}")(as_frame=True, **arguments)
        yield _Bundle(
            owner="scikit-learn",
            slug=name,
            title=title,
            description=f"{loaded.DESCR.strip()}\n\n{terms}",
            url="https://scikit-learn.org/stable/datasets/toy_dataset.html",
            licence=licence,
            updated=updated,
            table=_with_class_names(loaded),
        )


def _with_class_names(loaded: Any) -> "pd.DataFrame":
    """The frame with the names of the classes in place of their numbers."""
    table: pd.DataFrame = loaded.frame
    names = getattr(loaded, "target_names", None)
    if names is None or "target" not in table or str(names[0]).isdigit():
        return table
    return table.assign(target=[str(names[number]) for number in table["target"]])
