"""The columns of every config are a contract; a row tells nothing of its answer."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from publish.data.ground_truth import answer_hash
from publish.data.tasks import CANARY, task_row
from publish.released_task import ReleasedTask
from publish.selecting.split import SplitEvidence
from publish.settings import PublishConfig
from tests.publish.conftest import STORE, publish_all


def _schema(folder: Path) -> str:
    lines = []
    for config in sorted(path.name for path in (folder / "data").iterdir()):
        schemas = {pq.read_schema(path) for path in (folder / "data" / config).iterdir()}
        assert len(schemas) == 1, f"{config} has {len(schemas)} schemas"
        lines += [f"[{config}]", *(f"{field.name}: {field.type}" for field in schemas.pop()), ""]
    return "\n".join(lines)


def test_schemas_are_the_contract(build: Any, tmp_path: Path, golden: Any) -> None:
    publish_all(build.released, build.sources, tmp_path / "r", [])
    golden("publish/schemas.txt", _schema(tmp_path / "r"))


def test_a_row_of_an_instruction_task(workshop: Any) -> None:
    source = workshop.source("x")
    item = workshop.released(source, "reg-if", "sqlite")
    row = task_row(
        ReleasedTask(item, source, "train"),
        7,
        "v2026.01",
        PublishConfig(max_turns=9),
        SplitEvidence(),
    )
    instructions = item.task.spec.instructions
    assert instructions.model_validate_json(row["spec_json"]) == instructions
    assert row["prompt"] == [{"role": "user", "content": "Predict `price`."}]
    assert row["extra_info"] == {"split": "train", "index": 7, "task_id": row["task_id"]}
    assert row["data_source"] == "opendare/reg-if"
    assert (row["family"], row["n_tables"], row["max_turns"], row["timeout_s"]) == (
        "tabular",
        2,
        9,
        200,
    )
    assert (row["license"], row["license_tier"], row["release"]) == ("CC0-1.0", "open", "v2026.01")
    assert row["canary"] == CANARY
    truth = json.loads(row["reward_model"]["ground_truth"])
    assert truth["targets"] == ["price"]
    assert truth["n_rows"] == 15


def test_a_modelling_task_has_no_spec(workshop: Any) -> None:
    source = workshop.source("x")
    entry = ReleasedTask(workshop.released(source), source, "eval")
    row = task_row(entry, 0, "dev", PublishConfig(), SplitEvidence())
    assert row["spec_json"] is None


def test_the_answer_hash_is_as_documented(workshop: Any) -> None:
    task = workshop.released(workshop.source("x")).task
    truth = hashlib.sha256(STORE.path(task.truth.sha256).read_bytes()).hexdigest()
    salt = hashlib.sha256(f"opendare:{task.spec.task_key}".encode()).hexdigest()
    assert answer_hash(task) == hashlib.sha256(f"{salt}:{truth}".encode()).hexdigest()


def test_types_are_those_of_the_contract(build: Any, tmp_path: Path) -> None:
    publish_all(build.released, build.sources, tmp_path / "r", [])
    for path in (tmp_path / "r").glob("data/*/*.parquet"):
        for field in pq.read_schema(path):
            assert _allowed(field.type), f"{path.name}: {field}"


def _allowed(kind: pa.DataType) -> bool:
    plain = {pa.bool_(), pa.int64(), pa.float64(), pa.string(), pa.binary()}
    if pa.types.is_list(kind):
        return _allowed(kind.value_type)
    if pa.types.is_struct(kind):
        return all(field.type in plain for field in kind)
    return kind in plain
