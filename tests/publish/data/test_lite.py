"""The small set is bounded, even over variants, and does not depend on order."""

from typing import Any

import pytest

import publish.data.lite as module
from publish.data.lite import lite
from publish.data.tasks import Placed


@pytest.fixture
def evals(workshop: Any) -> list[Placed]:
    found = []
    for number in range(4):
        source = workshop.source(f"s{number}")
        variants = ["reg-mm", "reg-if"] if number else ["reg-mm", "reg-if", "ts-cf"]
        found += [Placed(workshop.released(source, v), source, "eval") for v in variants]
    return found


def _variants(chosen: list[Placed]) -> list[str]:
    return sorted(entry.task.spec.instructions.variant for entry in chosen)


def test_variants_take_turns(evals: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TASKS", 5)
    chosen = lite(evals)
    assert _variants(chosen) == ["reg-if", "reg-if", "reg-mm", "reg-mm", "ts-cf"]
    assert lite(evals[::-1]) == chosen


def test_bytes_are_bounded_and_shared_files_count_once(
    evals: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {f.sha256: f.bytes for e in evals for f in e.task.spec.files}
    monkeypatch.setattr(module, "MAX_BYTES", sum(sizes.values()))
    assert len(lite(evals)) == len(evals)
    monkeypatch.setattr(module, "MAX_BYTES", sum(sizes.values()) // 2)
    assert 0 < len(lite(evals)) < len(evals)
