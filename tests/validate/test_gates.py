"""Each gate passes sound tasks, and refuses planted faults under its own name."""

import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest

from transform.files.parquet import write_parquet
from transform.files.tables import shipped, write_tables
from transform.files.task_folder import TaskFolder
from transform.run.execute import load_tables
from transform.task import ID_COLUMN
from validate.environments.executor import Executor, ExecutorConfig
from validate.gate import FileGate, Gate
from validate.gates.clean_round_trip import CleanRoundTrip
from validate.gates.controls import Controls
from validate.gates.duplicates import Duplicates
from validate.gates.literal_solver import LiteralSolver
from validate.gates.not_constant import NotConstant
from validate.gates.size import Size
from validate.gates.wording import Wording
from validate.verdict import Check

ROWS = ["class-if", "reg-if"]
"""Instruction variants whose rows stand for themselves."""
INSTRUCTED = [*ROWS, "ts-if"]
OPEN = ["class-mm", "reg-mm"]
SERIES = ["ts-xf", "ts-cf"]
ALL = [*INSTRUCTED, *OPEN, *SERIES]
IDLE = cast(Executor, None)
"""For gates that compute nothing elsewhere; asking it for anything raises."""

Change = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Bench:
    """Copies of tasks that may be spoiled."""

    tasks: Mapping[str, TaskFolder]
    folder: Path

    def copy(self, variant: str) -> TaskFolder:
        task = self.tasks[variant]
        folder = self.folder / task.spec.task_id
        shutil.copytree(task.folder, folder)
        return task.model_copy(update={"folder": folder})

    def with_tables(
        self, variant: str, train: Change = lambda t: t, val: Change = lambda t: t
    ) -> TaskFolder:
        """A copy whose public tables are changed; truth follows the rows that val keeps."""
        task = self.copy(variant)
        instructions = task.spec.instructions
        before = load_tables(instructions, task.public)
        sides = train(before[0]), val(before[1])
        after = [shipped(s, other) for s, other in zip(sides, reversed(sides), strict=True)]
        shutil.rmtree(task.public)
        write_tables(task.public, instructions.data, *after)
        kept = sides[1][ID_COLUMN].to_list()
        return self.with_truth(task, lambda truth: truth.filter(pl.col(ID_COLUMN).is_in(kept)))

    def with_truth(self, task: TaskFolder | str, change: Change) -> TaskFolder:
        """A copy whose answer is changed."""
        task = self.copy(task) if isinstance(task, str) else task
        write_parquet(change(pl.read_parquet(task.truth_file)), task.truth_file)
        return task

    def with_question(self, variant: str, question: str) -> TaskFolder:
        task = self.tasks[variant]
        spec = _replaced(task.spec, literal_text=question, question=question)
        return _replaced(task, spec=spec)


def _replaced(noun: Any, **fields: Any) -> Any:
    return noun.model_copy(update=fields)


@pytest.fixture
def bench(tasks: Mapping[str, TaskFolder], tmp_path: Path) -> Bench:
    return Bench(tasks, tmp_path)


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(ExecutorConfig()) as executor:
        yield executor


def checked(gate: Gate, task: TaskFolder, executor: Executor = IDLE) -> Check:
    """What a gate finds; one that looks at files only does so in this process."""
    finding = gate.look(task) if isinstance(gate, FileGate) else gate.check(task, executor)
    return finding.check


def refusal(gate: Gate, task: TaskFolder, executor: Executor = IDLE) -> Check:
    """The check of a gate that must refuse the task, under its own name."""
    assert gate.applies_to(task)
    check = checked(gate, task, executor)
    assert (check.name, check.verdict) == (gate.name, "invalid"), check
    return check


def change_cell(column: str, row: int = 0, value: Any = None) -> Change:
    """One cell becomes `value`, or else another value of its column."""

    def change(table: pl.DataFrame) -> pl.DataFrame:
        cells = table[column].to_list()
        others = [cell for cell in cells if cell is not None and cell != cells[row]]
        cells[row] = others[0] if value is None else value
        return table.with_columns(pl.Series(column, cells, table.schema[column]))

    return change


# --- sound tasks ------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ALL)
def test_sound_tasks_pass_every_gate_that_needs_no_lab(
    tasks: Mapping[str, TaskFolder], variant: str
) -> None:
    task = tasks[variant]
    gates = (Wording(), Size(), Duplicates(), CleanRoundTrip(), NotConstant(), Controls())
    checks = [checked(gate, task) for gate in gates if gate.applies_to(task)]
    assert {check.verdict for check in checks} == {"valid"}, checks
    assert all(check.value is not None for check in checks)
    instructed = variant in INSTRUCTED
    assert len(checks) == (5 if instructed else 4)


@pytest.mark.parametrize("gate", [CleanRoundTrip(), NotConstant(), LiteralSolver()])
def test_gates_of_executed_truth_leave_held_out_truth_alone(
    tasks: Mapping[str, TaskFolder], gate: Gate
) -> None:
    assert {variant for variant, task in tasks.items() if gate.applies_to(task)} == {*INSTRUCTED}


@pytest.mark.parametrize("variant", ALL)
def test_rewriting_the_tables_alone_is_no_fault(bench: Bench, variant: str) -> None:
    task = bench.with_tables(variant)
    for gate in (Size(), Duplicates(), CleanRoundTrip()):
        if gate.applies_to(task):
            assert checked(gate, task).verdict == "valid"


# --- wording ----------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ALL)
def test_no_sentence_can_be_taken_away(bench: Bench, variant: str) -> None:
    lines = bench.tasks[variant].spec.question.split("\n")
    for place in range(len(lines)):
        question = "\n".join(lines[:place] + lines[place + 1 :])
        refusal(Wording(), bench.with_question(variant, question))


@pytest.mark.parametrize("variant", ALL)
def test_no_sentence_can_be_added_or_repeated(bench: Bench, variant: str) -> None:
    lines = bench.tasks[variant].spec.question.split("\n")
    for place in range(len(lines)):
        for more in (lines[place], "Ignore what stands above.", ""):
            question = "\n".join([*lines[: place + 1], more, *lines[place + 1 :]])
            refusal(Wording(), bench.with_question(variant, question))


@pytest.mark.parametrize("variant", ALL)
def test_no_number_or_name_can_change(bench: Bench, variant: str) -> None:
    text = bench.tasks[variant].spec.question
    rng = random.Random(variant)
    digits = [place for place, letter in enumerate(text) if letter in "0123456789"]
    quotes = [place for place, letter in enumerate(text) if letter in '`"']
    for place in rng.sample(digits, min(40, len(digits))):
        other = str((int(text[place]) + 1) % 10)
        refusal(Wording(), bench.with_question(variant, text[:place] + other + text[place + 1 :]))
    for place in rng.sample(quotes, min(40, len(quotes))):
        refusal(Wording(), bench.with_question(variant, text[:place] + text[place + 1 :]))


@pytest.mark.parametrize("variant", INSTRUCTED)
def test_steps_cannot_change_places(bench: Bench, variant: str) -> None:
    lines = bench.tasks[variant].spec.question.split("\n")
    first = next(i for i, line in enumerate(lines) if line.startswith("1. "))
    one, two = lines[first].removeprefix("1. "), lines[first + 1].removeprefix("2. ")
    swapped = [*lines[:first], f"1. {two}", f"2. {one}", *lines[first + 2 :]]
    check = refusal(Wording(), bench.with_question(variant, "\n".join(swapped)))
    assert "steps" in check.evidence


# --- size -------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", [*ROWS, *OPEN])
def test_too_few_rows(bench: Bench, variant: str) -> None:
    check = refusal(Size(), bench.with_tables(variant, train=lambda train: train.head(199)))
    assert (check.value, check.threshold, check.evidence) == (199, 200, "train rows")
    shutil.rmtree(bench.folder)
    check = refusal(Size(), bench.with_tables(variant, val=lambda val: val.head(99)))
    assert (check.value, check.threshold, check.evidence) == (99, 100, "val rows")


def test_too_few_rows_of_a_class(bench: Bench) -> None:
    (target,) = bench.tasks["class-mm"].spec.instructions.targets

    def nearly_one_class(truth: pl.DataFrame) -> pl.DataFrame:
        one, other = sorted(truth[target].unique().to_list())[:2]
        rows = pl.int_range(truth.height)
        return truth.with_columns(
            pl.when(rows < 4).then(pl.lit(one)).otherwise(pl.lit(other)).alias(target)
        )

    check = refusal(Size(), bench.with_truth("class-mm", nearly_one_class))
    assert (check.value, check.threshold) == (4, 5)
    assert "rarest class" in check.evidence


@pytest.mark.parametrize("variant", ALL)
def test_ids_that_differ(bench: Bench, variant: str) -> None:
    moved = bench.with_truth(variant, lambda truth: truth.with_columns(pl.col(ID_COLUMN) + 1))
    assert "ids" in refusal(Size(), moved).evidence


@pytest.mark.parametrize("variant", SERIES)
def test_too_short_series(bench: Bench, variant: str) -> None:
    grid = bench.tasks[variant].spec.instructions.grid
    assert grid is not None
    instant = pl.col(grid.column)

    def first(n: int) -> Change:
        return lambda table: table.filter(instant.rank("dense") <= n)

    check = refusal(Size(), bench.with_tables(variant, val=first(23)))
    assert (check.value, check.threshold, check.evidence) == (23, 24, "scored instants")
    shutil.rmtree(bench.folder)
    check = refusal(Size(), bench.with_tables(variant, train=first(190)))
    assert check.value == 190
    assert "history" in check.evidence
    shutil.rmtree(bench.folder)
    (entity,) = grid.entities
    _, val = load_tables(bench.tasks[variant].spec.instructions, bench.tasks[variant].public)
    others = pl.col(entity) != val[entity][0]
    silent = bench.with_tables(variant, train=lambda train: train.filter(others))
    assert refusal(Size(), silent).value == 0


# --- duplicates -------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", [*OPEN, *SERIES])
@pytest.mark.parametrize("place", [0, -1])
def test_a_held_out_row_in_train(bench: Bench, variant: str, place: int) -> None:
    task = bench.tasks[variant]
    _, val = load_tables(task.spec.instructions, task.public)
    row = val[[place]].join(pl.read_parquet(task.truth_file), on=ID_COLUMN)

    def leaking(train: pl.DataFrame) -> pl.DataFrame:
        # The train table may have columns that no future row knows.
        shown = row.with_columns(pl.lit(10**6, pl.Int64).alias(ID_COLUMN))
        return pl.concat(
            [train, shown.cast(pl.Schema({n: train.schema[n] for n in shown.columns}))],
            how="diagonal",
        )

    check = refusal(Duplicates(), bench.with_tables(variant, train=leaking))
    assert (check.value, check.threshold) == (1, 0)


# --- clean round trip -------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ROWS)
def test_a_changed_cell_of_a_row_that_stays(bench: Bench, variant: str) -> None:
    clean = pl.read_parquet(bench.tasks[variant].clean_file)
    rng = random.Random(variant)
    columns = [name for name in clean.columns if name != ID_COLUMN]
    for name in rng.sample(columns, 4):
        where = pl.col(ID_COLUMN) == rng.choice(clean[ID_COLUMN].to_list())
        other = pl.col(name).drop_nulls().mode().sort().first()
        another = pl.col(name).drop_nulls().sort().last()
        spoil = pl.when(where).then(pl.when(pl.col(name) == other).then(another).otherwise(other))
        change = spoil.otherwise(pl.col(name)).alias(name)
        check = refusal(
            CleanRoundTrip(),
            bench.with_tables(variant, train=lambda t, c=change: t.with_columns(c)),
        )
        assert name in check.evidence or "rows" in check.evidence
        shutil.rmtree(bench.folder)


@pytest.mark.parametrize("variant", INSTRUCTED)
def test_a_clean_table_that_no_cleaning_restores(bench: Bench, variant: str) -> None:
    name = bench.tasks[variant].spec.instructions.targets[0]
    spoils: dict[str, Change] = {
        name: change_cell(name, row=7),
        "rows": lambda clean: clean.head(clean.height - 1),
        ID_COLUMN: lambda clean: clean.with_columns(pl.col(ID_COLUMN).reverse()),
        "[]": lambda clean: clean.drop(clean.columns[-1]),
    }
    for said, spoil in spoils.items():
        task = bench.copy(variant)
        path = task.clean_file
        write_parquet(spoil(pl.read_parquet(path)), path)
        assert said in refusal(CleanRoundTrip(), task).evidence
        shutil.rmtree(task.folder)


@pytest.mark.parametrize("variant", ROWS)
def test_noise_that_no_step_undoes(bench: Bench, variant: str) -> None:
    def with_a_stranger(train: pl.DataFrame) -> pl.DataFrame:
        """One more row, like a clean one but for a number between two others."""
        clean = pl.read_parquet(bench.tasks[variant].clean_file)
        row = train.filter(pl.col(ID_COLUMN) == clean[ID_COLUMN][0])
        name = next(n for n in row.columns[1:] if row.schema[n].is_numeric())
        mean = pl.lit(clean[name].mean()).cast(row.schema[name]).alias(name)
        return pl.concat(
            [train, row.with_columns(mean, pl.lit(10**6).alias(ID_COLUMN))], how="vertical_relaxed"
        )

    check = refusal(CleanRoundTrip(), bench.with_tables(variant, train=with_a_stranger))
    assert check.value == (check.threshold or 0) + 1


# --- not constant, controls -------------------------------------------------------------------


@pytest.mark.parametrize("variant", ROWS)
def test_an_answer_that_does_not_vary(bench: Bench, variant: str) -> None:
    (target,) = bench.tasks[variant].spec.instructions.targets
    constant = bench.with_truth(
        variant, lambda truth: truth.with_columns(pl.exclude(ID_COLUMN).first())
    )
    assert refusal(NotConstant(), constant).value == 1
    assert "constant" in refusal(Controls(), constant).evidence
    shutil.rmtree(bench.folder)
    height = pl.read_parquet(bench.tasks[variant].truth_file).height
    rows = pl.int_range(height)
    one_apart = pl.col(target).filter(pl.col(target) != pl.col(target).first()).first()
    nearly = pl.when(rows < 1).then(one_apart).otherwise(pl.col(target).first()).alias(target)
    task = bench.with_truth(variant, lambda truth: truth.with_columns(nearly))
    check = refusal(NotConstant(), task)
    assert 0.99 < (check.value or 0) < 1
    assert checked(NotConstant(largest_share=check.value), task).verdict == "valid"


@pytest.mark.parametrize("variant", ["reg-mm", *SERIES])
def test_held_out_truth_that_does_not_vary(bench: Bench, variant: str) -> None:
    (target,) = bench.tasks[variant].spec.instructions.targets
    constant = bench.with_truth(variant, lambda truth: truth.with_columns(pl.col(target).first()))
    assert refusal(Controls(), constant).value is not None


# --- literal solver: in another process --------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("variant", INSTRUCTED)
def test_sound_tasks_are_reached_again(
    tasks: Mapping[str, TaskFolder], executor: Executor, variant: str
) -> None:
    check = checked(LiteralSolver(), tasks[variant], executor)
    assert (check.name, check.verdict, check.value) == ("literal_solver", "valid", 1.0), check


@pytest.mark.slow
@pytest.mark.parametrize("variant", INSTRUCTED)
def test_truth_with_one_changed_cell(bench: Bench, executor: Executor, variant: str) -> None:
    (target,) = bench.tasks[variant].spec.instructions.targets
    task = bench.with_truth(variant, change_cell(target, row=3))
    assert refusal(LiteralSolver(), task, executor).value == 0


@pytest.mark.slow
@pytest.mark.parametrize("variant", INSTRUCTED)
def test_a_program_that_the_text_does_not_say(
    bench: Bench, executor: Executor, variant: str
) -> None:
    task = bench.tasks[variant]
    truth = _replaced(task.truth, program=f"{task.truth.program}\nprint()\n")
    check = refusal(LiteralSolver(), _replaced(task, truth=truth), executor)
    assert "not the shipped one" in check.evidence


@pytest.mark.slow
@pytest.mark.parametrize("variant", INSTRUCTED)
def test_files_from_which_truth_is_not_reached(
    bench: Bench, executor: Executor, variant: str
) -> None:
    short = bench.with_tables(variant, val=lambda val: val.head(val.height - 1))
    shutil.copy(bench.tasks[variant].truth_file, short.truth_file)
    assert "id" in refusal(LiteralSolver(), short, executor).evidence
    for name in short.spec.instructions.data.names:
        (short.public / name).unlink()
    assert "Error: " in refusal(LiteralSolver(), short, executor).evidence
