"""Planted contradictions are refused with both sides quoted; good sources are not."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from extract.dataset import RawDataset
from extract.drop import Drop
from extract.evidence.evidence import SourceEvidence, source_evidence
from extract.memory import Memory
from extract.reading.limits import ReadConfig
from extract.reading.read import read_dataset
from extract.sources.mirror import MirrorSource
from extract.store import Store
from extract.stored_table import located
from extract.workers import Workers
from tests.extract.evidence.conftest import Make, houses, shop

TEXT = """Sales of houses between 2021 and 2024.

- **sale_date**: day of the sale
- **town**: where the house stands
- **rooms**: number of rooms
- **area**: in square metres
- **price**: in euros
"""


def _look(raw: RawDataset) -> SourceEvidence | Drop:
    return source_evidence(raw)


def _swapped(frame: pl.DataFrame, a: str, b: str) -> pl.DataFrame:
    return frame.rename({a: b, b: a})


def _shifted(frame: pl.DataFrame, by: int) -> pl.DataFrame:
    names = frame.columns
    return pl.DataFrame(
        [frame[name].alias(names[(i + by) % len(names)]) for i, name in enumerate(names)]
    )


def test_a_table_that_agrees_passes(make: Make) -> None:
    evidence = _look(make("a", houses(1), title="Sales of houses", description=TEXT))
    assert isinstance(evidence, SourceEvidence)
    assert evidence.refused_tables == evidence.tags == ()


@pytest.mark.parametrize(
    ("a", "b"), [("sale_date", "town"), ("town", "price"), ("town", "area"), ("sale_date", "price")]
)
def test_swapped_headers_are_refused(make: Make, a: str, b: str) -> None:
    drop = _look(make("a", _swapped(houses(1), a, b), description=TEXT))
    assert isinstance(drop, Drop)
    assert drop.reason == "source_mismatch"
    assert a in drop.detail
    assert b in drop.detail
    assert drop.evidence


@pytest.mark.parametrize("by", [1, -1])
def test_headers_shifted_by_one_are_refused(make: Make, by: int) -> None:
    drop = _look(make("a", _shifted(houses(1), by), description=TEXT))
    assert isinstance(drop, Drop)
    assert drop.reason == "source_mismatch"
    assert "moved one column" in drop.detail


def test_only_the_bad_table_is_left_out(make: Make) -> None:
    raw = make("a", houses(1), _swapped(houses(2), "town", "price"))
    evidence = _look(raw)
    assert isinstance(evidence, SourceEvidence)
    assert [table.name for table in evidence.allowed(raw).tables] == ["a-0"]
    assert evidence.refused_tables == ("a-1",)
    assert [sketch.table.name for sketch in evidence.sketches] == ["a-0"]


def test_swapped_limits_are_refused(make: Make) -> None:
    rng = np.random.default_rng(0)
    low = np.round(rng.normal(10, 5, 300), 1)
    frame = pl.DataFrame({"temp_min": low + rng.integers(1, 9, 300), "temp_max": low})
    drop = _look(make("a", frame))
    assert isinstance(drop, Drop)
    assert "`temp_min` below `temp_max`" in drop.detail
    good = _look(make("b", _swapped(frame, "temp_min", "temp_max")))
    assert isinstance(good, SourceEvidence)


def test_a_row_of_data_in_the_place_of_headers_is_refused(make: Make) -> None:
    rng = np.random.default_rng(0)
    columns = {name: np.round(rng.normal(5, 2, 200), 1) for name in ("5.1", "3.5", "4.9", "6.2")}
    drop = _look(make("a", pl.DataFrame({**columns, "setosa": ["setosa", "virginica"] * 100})))
    assert isinstance(drop, Drop)
    assert "row of data" in drop.detail


def test_a_description_of_other_years_is_refused(make: Make) -> None:
    text = "Daily records of the grid, collected from 1996 to 2004 by the operator."
    drop = _look(make("a", shop(1), description=text))
    assert isinstance(drop, Drop)
    assert "1996 to 2004" in drop.detail
    assert "2022 to 2023" in drop.detail


def test_a_description_of_another_dataset_is_refused(make: Make) -> None:
    other = """Measurements of penguins in 2007.
    - **species**: kind of penguin
    - **island**: where it lives
    - **bill_length**: in mm
    - **flipper_length**: in mm
    - **body_mass**: in grams
    """
    drop = _look(make("a", shop(1), title="Penguins", description=other))
    assert isinstance(drop, Drop)
    assert drop.reason == "source_mismatch"


@pytest.mark.parametrize(
    "text",
    [
        "Data from 2022 to 2023.",
        "Sales from 2010 to the present.",
        "The company was founded in 1998. These are its sales.",
        "Season 2022/23.",
        "Published in 2021 (doi: 10.1234/1996.2004).",
        "",
    ],
)
def test_words_that_do_not_contradict_pass(make: Make, text: str) -> None:
    assert isinstance(_look(make("a", shop(1), description=text)), SourceEvidence)


@pytest.mark.parametrize("offset", ["50y", "-20y"])
def test_impossible_times_are_refused(make: Make, offset: str) -> None:
    days = pl.datetime_range(
        pl.datetime(2023, 1, 1), pl.datetime(2023, 1, 2), "10m", eager=True
    ).dt.offset_by(offset)
    frame = pl.DataFrame({"time": days, "load": np.arange(len(days)) * 1.5})
    evidence = _look(make("a", frame, updated_at="2024-01-01T00:00:00Z"))
    assert isinstance(evidence, Drop) == (offset == "50y")
    zero = frame.with_columns(time=pl.lit(0).cast(pl.Datetime("us")))
    assert isinstance(_look(make("b", zero)), Drop)


def test_the_wrong_file_of_several_is_refused(make: Make) -> None:
    text = "`patients.csv` holds 250,000 records. `wards.csv` holds 90,000 rows."
    drop = _look(make("a", houses(1, 300), description=text))
    assert isinstance(drop, Drop)
    assert "patients.csv" in drop.evidence


def test_wrong_counts_alone_are_a_note(make: Make) -> None:
    evidence = _look(make("a", houses(1), description="A table of 500,000 records."))
    assert isinstance(evidence, SourceEvidence)
    assert evidence.tags == ("note_rows",)
    assert evidence.quotes


@pytest.mark.parametrize(
    "text",
    [
        "Do not use this dataset to train AI models.",
        "Using this data for machine learning is strictly prohibited.",
        "You may not redistribute these files.",
        "No AI training. No scraping.",
        "I do not allow it: it must not be used for training large language models.",
    ],
)
def test_a_creator_who_objects_is_heard(make: Make, text: str) -> None:
    drop = _look(make("a", houses(1), description=f"Houses.\n{text}"))
    assert isinstance(drop, Drop)
    assert drop.reason == "creator_objects"
    assert text[:12] in drop.evidence


@pytest.mark.parametrize(
    "text",
    [
        "Ideal for machine learning. Do not forget to upvote!",
        "The data was collected by web scraping; no scraping was needed for prices.",
        "Do not use the target as a feature when training models.",
        "Not recommended for training production models.",
    ],
)
def test_advice_is_no_objection(make: Make, text: str) -> None:
    assert isinstance(_look(make("a", houses(1), description=text)), SourceEvidence)


def _people(n: int = 60) -> dict[str, pl.Series]:
    return {
        "name": pl.Series([f"Anna Nr{i}" for i in range(n)]),
        "contact": pl.Series([f"anna{i}@mail.example" for i in range(n)]),
        "ssn": pl.Series([f"{100 + i}-{10 + i % 80}-{1000 + 7 * i}" for i in range(n)]),
        "birth_date": pl.date_range(pl.date(1960, 1, 1), pl.date(1960, 2, 29), eager=True),
        "score": pl.Series(np.linspace(0, 1, n)),
    }


def test_a_directory_of_people_is_refused_unless_it_is_invented(make: Make) -> None:
    frame = pl.DataFrame(_people())
    drop = _look(make("a", frame))
    assert isinstance(drop, Drop)
    assert drop.reason == "personal_data"
    invented = _look(make("b", frame, description="Entirely synthetic data."))
    assert isinstance(invented, SourceEvidence)


def test_columns_with_personal_data_are_named(make: Make) -> None:
    frame = pl.DataFrame(_people()).select("contact", "score")
    evidence = _look(make("a", frame))
    assert isinstance(evidence, SourceEvidence)
    assert [(p.column, p.kind) for p in evidence.personal_columns] == [("contact", "email")]


@pytest.mark.slow
def test_no_good_real_dataset_is_refused(mirror: Path, tmp_path: Path) -> None:
    source, store, refused = MirrorSource(mirror), Store(str(tmp_path)), []
    with Workers(1) as workers:
        for ref in source.refs():
            raw = read_dataset(source, ref, Memory(store), workers, ReadConfig())
            if isinstance(raw, RawDataset):
                evidence = _look(located(raw, store))
                if isinstance(evidence, Drop) or evidence.refused_tables:
                    refused.append(ref.key)
    assert refused == []
