from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from extract.dataset import RawDataset
from transform.profile.columns import profile_columns

MakeRaw = Callable[..., RawDataset]
N = 400
RNG = np.random.default_rng(0)
HEX = [f"{int(v):032x}" for v in RNG.integers(2**60, 2**62, N)]
SENTENCES = [f"this is the {i}th of many remarks that people made" for i in range(N)]

COLUMNS: list[tuple[str, str, list[Any]]] = [
    ("identifier", "id", list(range(N))),
    ("identifier", "anything", list(range(1_000, 1_000 + N))),
    ("identifier", "shuffled", RNG.permutation(N).tolist()),
    ("identifier", "user_id", (RNG.permutation(N) % 100 * 977).tolist()),
    ("identifier", "column_1", [float(i) for i in range(N)]),
    ("identifier", "token", HEX),
    ("identifier", "page", [f"https://example.org/{i}" for i in range(N)]),
    ("identifier", "car", [f"Model {i}" for i in range(N)]),
    ("text", "remark", SENTENCES),
    ("text", "city", [f"town {i % 150}" for i in range(N)]),
    ("constant", "c", [1] * N),
    ("constant", "rare", [0] * (N - 1) + [1]),
    ("constant", "empty", [None] * N),
    ("sparse", "s", [float(i) if i % 10 == 0 else None for i in range(N)]),
    ("personal", "Name", [f"Ann {i}" for i in range(N)]),
    ("personal", "customer name", [f"Ann {i % 40}" for i in range(N)]),
    ("personal", "contact", [f"a{i}@example.org" for i in range(N)]),
    ("personal", "Telefon", [f"+49 30 555{i:04d}" for i in range(N)]),
    ("personal", "dateOfBirth", [date(1950, 1, 1) + timedelta(days=i * 20) for i in range(N)]),
    ("category", "product name", [f"product {i % 12}" for i in range(N)]),
    ("category", "has_mobile", ["yes" if i % 3 else "no" for i in range(N)]),
    ("number", "has_phone", [i % 2 for i in range(N)]),
    ("number", "flag", [i % 3 == 0 for i in range(N)]),
    ("number", "no_of_owners", [i % 60 for i in range(N)]),
    ("number", "views", (RNG.integers(0, 10**9, N)).tolist()),
    ("number", "price", RNG.normal(size=N).tolist()),
    ("time", "day", [date(2020, 1, 1) + timedelta(days=i) for i in range(N)]),
]


@pytest.mark.parametrize(("role", "name", "values"), COLUMNS, ids=[c[1] for c in COLUMNS])
def test_roles(make_raw: MakeRaw, role: str, name: str, values: list[Any]) -> None:
    dtype = pl.String if values[0] is None and values[-1] is None else None
    frame = pl.DataFrame({name: pl.Series(values, dtype=dtype)})
    (table,) = make_raw(t=frame).tables
    column = profile_columns(table, frame).column(name)
    assert column.role == role, column.role_reason
    assert column.role_reason
    assert column.usable == (role in ("number", "category", "time"))
