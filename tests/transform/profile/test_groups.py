from collections.abc import Callable

import numpy as np
import polars as pl

from extract.dataset import RawDataset
from transform.profile.columns import profile_columns
from transform.profile.groups import find_group

MakeRaw = Callable[..., RawDataset]
N = 600
RNG = np.random.default_rng(2)
UNIT = RNG.integers(0, 120, N)


def group_of(make_raw: MakeRaw, frame: pl.DataFrame) -> str | None:
    (table,) = make_raw(t=frame).tables
    return find_group(frame, profile_columns(table, frame))


def test_families_are_found(make_raw: MakeRaw) -> None:
    father, mother = RNG.integers(60, 80, 120), RNG.integers(55, 75, 120)
    frame = pl.DataFrame(
        {
            "family": [f"f{u}" for u in UNIT],
            "father": father[UNIT],
            "mother": mother[UNIT],
            "height": RNG.normal(size=N),
        }
    )
    assert group_of(make_raw, frame) == "family"


def test_persons_are_found_by_what_describes_them(make_raw: MakeRaw) -> None:
    facts = {"sex": 2, "age": 60, "town": 9}
    frame = pl.DataFrame(
        {"person": UNIT * 31}
        | {name: RNG.integers(0, k, 120)[UNIT] for name, k in facts.items()}
        | {"score": RNG.normal(size=N)}
    )
    assert group_of(make_raw, frame) == "person"


def test_a_hierarchy_is_no_unit(make_raw: MakeRaw) -> None:
    frame = pl.DataFrame(
        {
            "model": [f"m{u}" for u in UNIT],
            "make": [f"k{u % 8}" for u in UNIT],
            "body": [f"b{u % 4}" for u in UNIT],
            "price": RNG.normal(size=N),
        }
    )
    assert group_of(make_raw, frame) is None


def test_independent_columns_have_no_unit(make_raw: MakeRaw) -> None:
    frame = pl.DataFrame({f"c{i}": RNG.integers(0, 30 + i, N) for i in range(5)})
    assert group_of(make_raw, frame) is None
