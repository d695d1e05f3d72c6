"""A proposer needs no table: neither its files nor the code that reads them."""

import json
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import polars as pl

from extract.dataset import RawDataset
from transform.profile.measure import profile
from transform.profile.profile import Profile
from transform.propose.heuristic import HeuristicProposer

MakeRaw = Callable[..., RawDataset]
TABLE_CODE = ("polars", "numpy", "duckdb", "sklearn", "transform.steps", "transform.rows")


def test_proposals_are_made_when_the_tables_are_gone(make_raw: MakeRaw) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=400), rng.normal(size=400)
    frame = pl.DataFrame({"a": a, "b": b, "price": a + b + rng.normal(size=400)})
    raw = make_raw(t=frame)
    measured = Profile.model_validate_json(profile(raw).model_dump_json())
    expected = HeuristicProposer().propose(measured)
    for table in raw.tables:
        table.path.unlink()
    assert HeuristicProposer().propose(measured) == expected
    assert isinstance(expected, tuple)


def test_what_a_proposer_imports_reads_no_table() -> None:
    program = (
        "import json, sys, transform.propose.heuristic, transform.propose.proposer; "
        "print(json.dumps(sorted(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = json.loads(ran.stdout)
    assert "transform.profile.profile" in loaded
    assert [name for name in loaded if name.startswith(TABLE_CODE)] == []
