"""The memory: the same inputs under the same code are computed once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from extract import code_fingerprint
from extract.dataset import DatasetRef
from extract.memory import Memory, Stage
from extract.store import Store, sha256_of

REF = DatasetRef(owner="a", slug="b", version=3)
STAGE = Stage("read", (sha256_of,))


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(Store(str(tmp_path / "store")).opened())


def times(results: list[int]) -> Callable[[], int]:
    """Gives the next of them with each call."""
    left = iter(results)
    return lambda: next(left)


def test_equal_inputs_are_computed_once(memory: Memory) -> None:
    compute = times([1, 2, 3])
    assert memory.recall(STAGE, (REF, "x", 7), int, compute) == 1
    again = DatasetRef.model_validate_json(REF.model_dump_json())
    assert memory.recall(STAGE, (again, "x", 7), int, compute) == 1
    assert memory.recall(STAGE, (REF, "x", 8), int, compute) == 2
    assert memory.recall(Stage("other", STAGE.functions), (REF, "x", 7), int, compute) == 3
    assert memory.counts() == {"other": (1, 0), "read": (2, 1)}
    assert len(memory.touched()) == 3


def test_another_process_knows_it(memory: Memory) -> None:
    memory.recall(STAGE, (REF,), int, lambda: 1)
    assert Memory(Store(memory.store.url)).recall(STAGE, (REF,), int, lambda: 2) == 1


def test_other_code_computes_anew(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.recall(STAGE, (REF,), int, lambda: 1)
    monkeypatch.setattr("extract.memory.code_of", lambda module: f"{module} changed")
    assert memory.recall(STAGE, (REF,), int, lambda: 2) == 2
    assert code_fingerprint.code_of(__name__)


def test_a_result_whose_file_is_gone_is_computed_anew(memory: Memory, tmp_path: Path) -> None:
    source = tmp_path / "data"
    source.write_bytes(b"abc")
    digest = memory.store.add(source)
    compute = times([1, 2])

    def recall() -> int:
        return memory.recall(STAGE, (REF,), int, compute, files=lambda _: (digest,))

    assert (recall(), recall()) == (1, 1)
    memory.store.path(digest).unlink()
    assert recall() == 2


def test_what_is_not_final_is_not_kept(memory: Memory) -> None:
    compute = times([1, 2, 3])
    results = [
        memory.recall(STAGE, (REF,), int, compute, is_final=lambda result: result > 1)
        for _ in range(3)
    ]
    assert results == [1, 2, 2]


def test_what_a_result_used_is_reached_with_it(memory: Memory) -> None:
    inner, outer = Stage("inner", STAGE.functions), Stage("outer", STAGE.functions)

    def compute() -> int:
        return memory.recall(inner, (REF,), int, lambda: 1) + 1

    assert memory.recall(outer, (REF,), int, compute) == 2
    later = Memory(memory.store)
    assert later.recall(outer, (REF,), int, compute) == 2
    assert later.counts() == {"outer": (0, 1)}
    assert later.touched() == memory.touched()
    assert [one.stage for one in later.touched()] == ["inner", "outer"]
