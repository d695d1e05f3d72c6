"""Instructions to prose and back: the text of a task is complete, and a machine proves it.

`say` writes one clause a line and one numbered line a step; `read` takes a text apart again and
gives the equal `Instructions`, so nothing that truth depends on can be left unsaid. Steps word
themselves (`steps/`); the clauses here word what surrounds them. Texts rewritten by others are not
understood; `read` refuses what it does not know.
"""

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from transform.run.grading import ATOL_SHARE
from transform.series.frequency import FREQUENCIES
from transform.steps import registry
from transform.steps.phrase import Phrase
from transform.task import (
    ID_COLUMN,
    PREDICTION_FILE,
    VARIANTS,
    ColumnSpec,
    DataFiles,
    Grid,
    Instructions,
    Metric,
    StepSpan,
    Variant,
)

_OPENINGS: dict[Variant, str] = {
    "class-if": "Classify by following instructions: the answer is right when it equals the one "
    "that the steps below lead to.",
    "reg-if": "Predict numbers by following instructions: the answer is right when it equals the "
    "one that the steps below lead to.",
    "class-mm": "Classify as well as you can: the choice of features and model is yours.",
    "reg-mm": "Predict numbers as well as you can: the choice of features and model is yours.",
    "ts-xf": "Forecast as well as you can, with covariates that are known in advance: the choice "
    "of features and model is yours.",
    "ts-cf": "Forecast as well as you can from the past alone: the choice of features and model "
    "is yours.",
    "ts-if": "Forecast by following instructions: the answer is right when it equals the one that "
    "the steps below lead to.",
}
_METRICS: dict[Metric, Phrase] = {
    "exact": Phrase(
        "Grading: 1 if every label equals the reference and every score column agrees with it to a "
        "relative tolerance of {rtol:number} plus an absolute one of {atol:number} standard "
        "deviations of that column in the reference, else 0."
    ),
    "allclose": Phrase(
        "Grading: 1 if every number agrees with the reference to a relative tolerance of "
        "{rtol:number} plus an absolute one of {atol:number} standard deviations of the target in "
        "the clean training table, else 0."
    ),
    "macro_f1": Phrase("Grading: macro-averaged F1 against the true labels."),
    "clipped_r2": Phrase(
        "Grading: R² against the true values, clipped to [0, 1], averaged over the target columns."
    ),
}

_TWO_FILES = Phrase(
    "Files: {train:column} is the training table and {val:column} is the table to predict; "
    "`metadata.md` describes them."
)
_ONE_DATABASE = Phrase(
    "Files: the SQLite database `data.sqlite` holds the training table in {train:columns} and the "
    "table to predict in {val:columns}; parts of one table hold different columns of the same "
    "rows, told by `row_id`; `metadata.md` describes them."
)
_COLUMNS = Phrase(
    "The training table has the id column {id:column}, unique in each table, and these columns: "
    "{columns:typed}."
)
_MISSING = (
    "An empty cell (NULL in Parquet and SQLite) is a missing value; no other text means missing "
    "unless a step says so."
)
_TARGETS = Phrase("Target: {targets:columns}; the table to predict does not have it.")
_ONE_SERIES = Phrase("Times: {column:column} holds ISO 8601 instants, {step:words}; one series.")
_SERIES = Phrase(
    "Times: {column:column} holds ISO 8601 instants, {step:words}; one series for each combination "
    "of {entities:columns}."
)
_ONE_HISTORY = Phrase(
    "Times: {column:column} holds ISO 8601 instants; those to predict stand {step:words}; one "
    "series."
)
_HISTORIES = Phrase(
    "Times: {column:column} holds ISO 8601 instants; those to predict stand {step:words}; one "
    "series for each combination of {entities:columns}."
)
_KNOWN = Phrase("Known in advance and given for the rows to predict: {known:columns}.")
_STEPS = (
    "Use Python with pandas and scikit-learn. Sort both tables by ascending `row_id` first: "
    "wherever the order of rows matters, it is this one. Work through the steps in this order; "
    "each works on the result of the one before, and arguments that are not named keep their "
    "defaults:"
)
_ANSWER = Phrase(
    "Answer: write {file:column} with the columns {columns:columns} and one row for each row of "
    "the table to predict, in any order."
)
_NUMBERED = re.compile(r"(\d+)\. (.*)", re.DOTALL)


def say(instructions: Instructions) -> str:
    """The prose of a task. Raises `ValueError` when a step does not resolve."""
    return "\n".join(_lines(instructions))


def step_spans(instructions: Instructions) -> tuple[StepSpan, ...]:
    """Where in the text of `say` the sentence of each step stands."""
    spans, start = [], 0
    for line in _lines(instructions):
        numbered = _NUMBERED.fullmatch(line)
        if numbered:
            step = int(numbered[1])
            first, end = (start + place for place in numbered.span(2))
            kind = instructions.steps[step - 1].kind
            spans.append(StepSpan(step=step, kind=kind, start=first, end=end))
        start += len(line) + len("\n")
    return tuple(spans)


def _lines(instructions: Instructions) -> Iterator[str]:
    yield _OPENINGS[instructions.variant]
    yield _say_files(instructions.data)
    columns = [(column.name, column.type) for column in instructions.columns]
    yield _COLUMNS.say({"id": ID_COLUMN, "columns": columns})
    yield _MISSING
    yield _TARGETS.say({"targets": instructions.targets})
    if instructions.grid is not None:
        yield from _say_grid(instructions.grid, instructions.is_executed)
    if instructions.steps:
        yield _STEPS
        for number, step in enumerate(instructions.steps, start=1):
            yield f"{number}. {registry.resolve(step).say()}"
    answer = (ID_COLUMN, *instructions.answer_columns)
    yield _ANSWER.say({"file": PREDICTION_FILE, "columns": answer})
    yield _METRICS[instructions.metric].say({"rtol": instructions.rtol, "atol": ATOL_SHARE})


def _say_files(data: DataFiles) -> str:
    if data.format == "sqlite":
        return _ONE_DATABASE.say({"train": data.tables("train"), "val": data.tables("val")})
    train, val = data.names
    return _TWO_FILES.say({"train": train, "val": val})


def _say_grid(grid: Grid, is_executed: bool) -> Iterator[str]:
    """A history that is still to be cleaned need not stand on the grid."""
    several, one = (_HISTORIES, _ONE_HISTORY) if is_executed else (_SERIES, _ONE_SERIES)
    parameters = {
        "column": grid.column,
        "step": FREQUENCIES[grid.frequency].words,
        "entities": grid.entities,
    }
    yield (several if grid.entities else one).say(parameters)
    if grid.known_covariates:
        yield _KNOWN.say({"known": grid.known_covariates})


def read(text: str) -> Instructions:
    """The instructions that `say` turns into exactly this text.

    Raises `ValueError` naming the first line that no clause or step says, the clause that is
    missing, or the first line that is not where or what `say` has it.
    """
    clauses: dict[str, Any] = {"steps": []}
    for line in text.split("\n"):
        _read_line(line, clauses)
    try:
        instructions = _assemble(clauses)
    except KeyError as missing:
        raise ValueError(f"the text has no clause for {missing}") from missing
    # A line that holds no parameter, or one that stands twice, would else be lost in silence.
    for expected, line in zip_longest(_lines(instructions), text.split("\n")):
        if expected != line:
            raise ValueError(f"expected the line {expected!r}, found {line!r}")
    return instructions


def _read_line(line: str, clauses: dict[str, Any]) -> None:
    numbered = _NUMBERED.fullmatch(line)
    # Steps may not be left out or change places in a text that is read back.
    if numbered:
        if int(numbered[1]) != len(clauses["steps"]) + 1:
            raise ValueError(f"step {len(clauses['steps']) + 1} expected, found: {line[:80]!r}")
        clauses["steps"].append(registry.read_sentence(numbered[2]).spec())
        return
    if line in (_MISSING, _STEPS):
        return
    for variant, opening in _OPENINGS.items():
        if line == opening:
            clauses["variant"] = variant
            return
    for metric, grading in _METRICS.items():
        tolerances = grading.read(line)
        if tolerances is not None:
            clauses["metric"], clauses["rtol"] = metric, tolerances.get("rtol")
            return
    for key, phrase in _CLAUSES:
        parameters = phrase.read(line)
        # Phrases do not overlap: no line is said by two of them.
        if parameters is not None:
            clauses[key] = parameters
            return
    raise ValueError(f"no clause says this line: {line[:200]!r}")


_CLAUSES = (
    ("files", _TWO_FILES),
    ("database", _ONE_DATABASE),
    ("columns", _COLUMNS),
    ("targets", _TARGETS),
    ("grid", _SERIES),
    ("grid", _ONE_SERIES),
    ("grid", _HISTORIES),
    ("grid", _ONE_HISTORY),
    ("known", _KNOWN),
    ("answer", _ANSWER),
)


def _assemble(clauses: dict[str, Any]) -> Instructions:
    targets = tuple(clauses["targets"]["targets"])
    answer = tuple(clauses["answer"]["columns"])
    # Score columns follow the targets, so their number need not be said.
    if answer[: 1 + len(targets)] != (ID_COLUMN, *targets):
        raise ValueError(f"answer columns {answer} do not begin with the id and the targets")
    return Instructions(
        variant=clauses["variant"],
        problem=VARIANTS[clauses["variant"]].problem,
        data=_read_files(clauses),
        columns=tuple(ColumnSpec(name=n, type=t) for n, t in clauses["columns"]["columns"]),
        targets=targets,
        scores=answer[1 + len(targets) :],
        metric=clauses["metric"],
        rtol=clauses["rtol"],
        grid=_read_grid(clauses),
        steps=tuple(clauses["steps"]),
    )


def _read_files(clauses: dict[str, Any]) -> DataFiles:
    if "database" in clauses:
        return DataFiles(format="sqlite", parts=len(clauses["database"]["train"]))
    return DataFiles(format=clauses["files"]["train"].rpartition(".")[2])


def _read_grid(clauses: dict[str, Any]) -> Grid | None:
    if "grid" not in clauses:
        return None
    steps = {facts.words: frequency for frequency, facts in FREQUENCIES.items()}
    return Grid(
        column=clauses["grid"]["column"],
        frequency=steps[clauses["grid"]["step"]],
        entities=tuple(clauses["grid"].get("entities", ())),
        known_covariates=tuple(clauses.get("known", {"known": ()})["known"]),
    )
