"""The reference program: readable beside the prose, harmless whatever the data is called."""

import ast
import builtins
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transform import wording
from transform.files.task_folder import Draft
from transform.run.program import write_program
from transform.steps.cleaning.filter_categories import FilterCategories
from transform.steps.cleaning.filter_range import FilterRange
from transform.steps.cleaning.normalise_text import NormaliseText
from transform.steps.cleaning.read_missing import ReadMissing
from transform.steps.fitting.fit_predict import FitPredict
from transform.steps.step import Step
from transform.task import ColumnSpec, DataFiles, FileFormat, Instructions

ALLOWED = {"numpy", "pandas", "sklearn", "statsmodels", "sqlite3"}
"""Modules that a reference program may import; the last is in the standard library."""
SHAPES = ("numbers", "text_labels", "dates", "several_targets", "hostile_names")


@pytest.fixture(params=SHAPES)
def draft(request: pytest.FixtureRequest, make_case: Any, tmp_path: Path) -> Draft:
    made = make_case(request.param).draft(tmp_path)
    assert isinstance(made, Draft)
    return made


def modules(program: str) -> set[str]:
    packages = set()
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.Import):
            packages |= {name.name.partition(".")[0] for name in node.names}
        if isinstance(node, ast.ImportFrom):
            packages.add(str(node.module).partition(".")[0])
    return packages


def test_it_imports_only_what_a_solver_has(draft: Draft) -> None:
    program = write_program(draft.spec.instructions)
    assert {"pandas", "sklearn"} <= modules(program) <= ALLOWED


def test_every_step_stands_over_its_lines(draft: Draft) -> None:
    instructions = draft.spec.instructions
    comments = re.findall(r"^# (\d+\. .*)$", write_program(instructions), re.MULTILINE)
    prose = [line for line in wording.say(instructions).split("\n") if re.match(r"\d+\. ", line)]
    assert comments == prose
    assert len(comments) == len(instructions.steps)


def test_it_reads_the_public_files_and_writes_the_answer_only(draft: Draft) -> None:
    """Of all texts in the program only the names of these files look like a file."""
    tree = ast.parse(write_program(draft.spec.instructions))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    files = {text for text in texts if isinstance(text, str) and re.search(r"\.[a-z]{3,7}$", text)}
    assert files == {*draft.spec.instructions.data.names, "prediction.csv"}
    calls = {node.func.id for node in ast.walk(tree) if _calls_a_name(node)}  # type: ignore[attr-defined]
    assert not calls & {"open", "exec", "eval", "compile", "__import__", "input", "print"}


def _calls_a_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def test_it_is_a_text_of_its_own(draft: Draft) -> None:
    program = write_program(draft.spec.instructions)
    assert program == write_program(wording.read(draft.spec.question))
    assert program.startswith('"""Reference solution')
    assert program.endswith("\n")
    assert not program.endswith("\n\n")
    assert max(map(len, (line for line in program.split("\n") if line[:1] != "#"))) < 400
    assert str(draft.folder) not in program


HOSTILE = st.text(min_size=1, max_size=40).filter(lambda s: "`" not in s and s.isprintable())
BOMBS = st.sampled_from(
    [
        '"]; raise SystemExit #',
        "'); import os; os.abort() #",
        '""" + boom() + """',
        "{boom()}",
        "\\",
        "\\'",
        "# 1. Nothing.",
        "%s{0}",
        "train",
        "\u2028boom()",
    ]
).filter(lambda s: "`" not in s)
NAMES = st.one_of(HOSTILE, BOMBS)
FORMATS = st.sampled_from(["csv", "parquet", "sqlite"])


@settings(max_examples=100, deadline=None)
@given(names=st.lists(NAMES, min_size=4, max_size=4, unique=True), values=NAMES, form=FORMATS)
def test_names_and_values_enter_as_literals_only(
    names: list[str], values: str, form: FileFormat
) -> None:
    tree = _parsed(names, values, form)
    expected = _parsed(["kind", "x", "day", "y"], "red", form)
    assert _shape(tree) == _shape(expected)
    assert {*names, values} <= {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}


def _parsed(names: list[str], value: str, form: FileFormat) -> ast.Module:
    kind, x, day, y = names
    steps: tuple[Step, ...] = (
        ReadMissing(columns=(kind,), marker=value, type="text"),
        NormaliseText(columns=(kind,)),
        FilterRange(column=x, low=0.0, high=1.0),
        FilterCategories(column=kind, categories=(value,)),
        FitPredict(estimator="Ridge", module="sklearn.linear_model", arguments={"alpha": 1.0}),
    )
    types = {kind: "text", x: "number", day: "time", y: "number"}
    instructions = Instructions(
        variant="reg-if",
        problem="regression",
        data=DataFiles(format=form),
        columns=tuple(ColumnSpec(name=n, type=t) for n, t in types.items()),  # type: ignore[arg-type]
        targets=(y,),
        metric="allclose",
        steps=tuple(step.spec() for step in steps),
    )
    return ast.parse(write_program(instructions))


def _shape(tree: ast.Module) -> list[str]:
    """The program without its literals: all that could act."""
    return [
        type(node).__name__ + getattr(node, "id", getattr(node, "attr", ""))
        for node in ast.walk(tree)
    ]


def test_no_variable_hides_a_builtin(draft: Draft) -> None:
    tree = ast.parse(write_program(draft.spec.instructions))
    stored = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    assert not stored & set(dir(builtins))
