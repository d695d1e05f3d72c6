"""Which code a stage's key stands for: what it reaches, and only what it means."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from extract.code_fingerprint import code_of, modules_of

ROOT = Path(__file__).parents[2]
EARLY = (
    "extract.reading.read",
    "extract.evidence.evidence",
    "extract.evidence.near_duplicates.clusters",
    "transform.profile.measure",
    "transform.propose.heuristic",
)
"""Stages that a changed sentence of a step must not compute again."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rooms in a folder of their own, where they may be changed."""
    root = tmp_path_factory.mktemp("rooms")
    for room in ("extract", "transform", "validate", "publish", "flows"):
        shutil.copytree(ROOT / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def codes(copy: Path, *modules: str) -> list[str]:
    """Of modules of the copy, in a process of its own."""
    program = "import sys; from extract.code_fingerprint import code_of; " + (
        "print(*map(code_of, sys.argv[1:]), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *modules],
        cwd=copy,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def changed(copy: Path, place: str, old: str, new: str, *modules: str) -> list[bool]:
    """Whether the code of each module changes with a text in a file, which is put back."""
    before, path = codes(copy, *modules), copy / place
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    after = codes(copy, *modules)
    path.write_text(text)
    assert codes(copy, *modules) == before
    return [a != b for a, b in zip(before, after, strict=True)]


@pytest.mark.parametrize("module", EARLY)
def test_early_stages_do_not_reach_the_steps(module: str) -> None:
    assert "extract.noun" in modules_of(module)
    assert [name for name in modules_of(module) if name.startswith("transform.steps")] == []


def test_what_types_alone_need_is_not_reached() -> None:
    assert "extract.evidence.evidence" not in modules_of("transform.propose.heuristic")
    assert "transform.profile.profile" in modules_of("transform.propose.heuristic")


def test_a_gate_reaches_no_other_gate() -> None:
    gates = [path.stem for path in (ROOT / "validate" / "gates").glob("[a-z]*.py")]
    assert len(gates) > 10
    for gate in gates:
        reached = {
            n for n in modules_of(f"validate.gates.{gate}") if n.startswith("validate.gates.")
        }
        assert reached == {f"validate.gates.{gate}"}


def test_registries_reach_all_that_they_find() -> None:
    assert "transform.steps.cleaning.filter_range" in modules_of("transform.steps.registry")
    assert "validate.gates.leak" in modules_of("validate.registry")


@pytest.mark.slow
def test_what_only_a_reader_sees_changes_nothing(copy: Path) -> None:
    place, module = "extract/reading/numerals.py", "extract.reading.read"
    text = (copy / place).read_text()
    docstring = text[3 : text.index("\n")]
    assert changed(copy, place, docstring, "Other words.", module) == [False]
    first = text[text.index("\ndef ") + 1 :].split("\n", 1)[0]
    assert changed(copy, place, first, f"# A reason.\n\n{first}", module) == [False]


@pytest.mark.slow
def test_what_it_means_changes_what_reaches_it(copy: Path) -> None:
    place = "transform/steps/cleaning/filter_range.py"
    modules = ("transform.draft_task", "transform.profile.measure", "extract.reading.read")
    name = 'kind: ClassVar[str] = "filter_range"'
    assert changed(copy, place, name, name.replace("filter_range", "range"), *modules) == [
        True,
        False,
        False,
    ]


def test_a_function_of_a_test_has_code_as_well() -> None:
    assert code_of(__name__) == code_of(__name__) != code_of("extract.noun")
