"""The small set is bounded, even over variants, and does not depend on order."""

from typing import Any

import pytest

from publish.data.lite import lite
from publish.released_task import ReleasedTask


@pytest.fixture
def evals(workshop: Any) -> list[ReleasedTask]:
    entries = []
    for number in range(4):
        source = workshop.source(f"s{number}")
        variants = ["reg-mm", "reg-if"] if number else ["reg-mm", "reg-if", "ts-cf"]
        entries += [ReleasedTask(workshop.released(source, v), source, "eval") for v in variants]
    return entries


def _variants(chosen: list[ReleasedTask]) -> list[str]:
    return sorted(entry.task.spec.instructions.variant for entry in chosen)


def test_variants_take_turns(evals: Any) -> None:
    chosen = lite(evals, max_tasks=5)
    assert _variants(chosen) == ["reg-if", "reg-if", "reg-mm", "reg-mm", "ts-cf"]
    assert lite(evals[::-1], max_tasks=5) == chosen


def test_bytes_are_bounded_and_shared_files_count_once(evals: Any) -> None:
    sizes = {f.sha256: f.bytes for e in evals for f in e.task.spec.files}
    total = sum(sizes.values())
    assert len(lite(evals, max_bytes=total)) == len(evals)
    assert 0 < len(lite(evals, max_bytes=total // 2)) < len(evals)
