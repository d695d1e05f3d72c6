"""Gates are found by being there, each with a name of its own and thresholds that are settings."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import validate.gates
from flows.settings import Gates
from validate.gate import Gate
from validate.registry import gate_classes
from validate.verdict import Check

ROOT = Path(__file__).parent.parent.parent
FOLDER = Path(validate.gates.__path__[0])
GATES = gate_classes()
NEW_GATE = '''
"""A gate of tomorrow."""
from typing import ClassVar
from transform.files.task_folder import TaskFolder
from validate.gate import Gate
from validate.environments.executor import Executor
from validate.verdict import Finding

class Tomorrow(Gate):
    """Passes everything."""

    name: ClassVar[str] = "tomorrow"
    order: ClassVar[int] = 0
    patience: int = 7

    def check(self, task: TaskFolder, executor: Executor) -> Finding:
        """Pass."""
        return self.passed()
'''


def test_every_file_is_a_gate_of_its_name() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert {gate.name for gate in GATES} == files
    assert {gate.__module__.rpartition(".")[2] for gate in GATES} == files


def test_cheap_gates_come_first() -> None:
    orders = [(gate.order, gate.name) for gate in GATES]
    assert orders == sorted(orders)
    names = [gate.name for gate in GATES]
    assert names.index("wording") < names.index("size") < names.index("duplicates")
    assert names[-3:] == ["reproducible", "literal_solver", "sensitive"], "the dearest are last"


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_a_gate_explains_itself(gate: type[Gate]) -> None:
    assert gate.__doc__
    assert inspect.getmodule(gate).__doc__
    assert Check(name=gate.name, verdict="valid")
    for field in gate.model_fields:
        # A gate may inherit the limits that it shares with earlier rooms.
        (owner,) = [kind for kind in gate.__mro__ if field in inspect.get_annotations(kind)]
        source = inspect.getsource(owner)
        assert source.partition(f"    {field}:")[2].partition("\n")[2].lstrip().startswith('"""')


def test_the_settings_have_a_section_for_each() -> None:
    assert list(Gates.model_fields) == [gate.name for gate in GATES]
    assert all(isinstance(getattr(Gates(), gate.name), gate) for gate in GATES)


def test_adding_a_gate_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "tomorrow.py").write_text(NEW_GATE)
    program = f"""
import validate.gates
validate.gates.__path__.append({str(tmp_path)!r})
from flows.settings import Gates
print(*Gates.model_fields)
print(Gates(tomorrow={{"patience": 3}}).tomorrow.patience)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names, patience = done.stdout.splitlines()
    assert names.split() == ["tomorrow", *(gate.name for gate in GATES)]
    assert patience == "3"
