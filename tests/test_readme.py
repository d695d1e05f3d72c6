"""The README cannot drift: every drop reason and every step of the walk is in it."""

import re
from pathlib import Path

from extract.drop import Reason
from validate.registry import gate_classes

README = Path(__file__).parents[1] / "README.md"


def test_every_drop_reason_is_explained_and_no_other() -> None:
    section = README.read_text(encoding="utf-8").split("## Why something was refused")[1]
    explained = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    known = {*map(str, Reason), *(gate.name for gate in gate_classes())}
    assert set(explained) == known
    assert len(explained) == len(set(explained))


def test_example_row_is_a_row_of_the_published_schema() -> None:
    from publish.data.tasks import TASKS_SCHEMA

    block = README.read_text(encoding="utf-8").split("```text")[1].split("```")[0]
    shown = re.findall(r"^(\w+) +", block, re.MULTILINE)
    assert len(shown) >= 10
    assert set(shown) <= set(TASKS_SCHEMA.names)
