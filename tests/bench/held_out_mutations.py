"""Whether the grades of a built release detect mistakes that no task was built to detect.

From shipped files alone, for every instruction task: the held-out mutations of its steps
(`held_out_set.py`), and plain changes of the text of `solution.py` (a step's lines deleted, a
number misread, a statistic, a comparison or a direction exchanged, a list without its last entry).
Prints mutation scores by kind of step, by estimator and by mistake, and the worst tasks. Mutations
that end in an error are counted apart: whoever makes one is told so. Thresholds are those of the
gate `sensitive`.

    python tests/bench/held_out_mutations.py --release DIR [--changes N]
"""

import argparse
import ast
import random
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl
from bench import instruction_tasks, lay_out
from held_out_set import held_out_mutations

from extract.workers import Workers
from transform import wording
from transform.run.fork_server import PRELOAD, ProgramFailed, run_program
from transform.run.pipeline import Pipeline
from transform.task import ID_COLUMN, Grading, Instructions
from validate import score
from validate.sensitivity import KillThresholds, ReferenceAnswer

_TIMEOUT_S, _MEMORY_MB = 60, 2000
_MISREAD = 1.1
_EXCHANGES = (
    (r"\.median\(\)", ".mean()"),
    (r"\.mean\(\)", ".median()"),
    (r"\.mode\(\)\.iloc\[0\]", ".median()"),
    (r'keep="first"', "keep=False"),
    (r" < ", " > "),
    (r" > ", " < "),
    (r"\.lower\(\)", ".upper()"),
    (r"\.isna\(\)", ".notna()"),
    (r"np\.nan\b", "0"),
    (r" / ", " * "),
)


class Tried(NamedTuple):
    """One mistake and what became of it."""

    task: str
    estimator: str
    position: int
    kind: str
    name: str
    killed: bool
    failed: bool = False


def main() -> None:
    """Measure a release and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--release", type=Path, required=True)
    parser.add_argument("--changes", type=int, default=0, help="of each program, drawn at random")
    options = parser.parse_args()
    mutated: list[Tried] = []
    changed: list[Tried] = []
    with tempfile.TemporaryDirectory() as place, Workers(1, preload=PRELOAD) as programs:
        for task in instruction_tasks(options.release):
            folder = lay_out(options.release, task, Path(place))
            instructions = wording.read((folder / "question.txt").read_text())
            reference = _reference(options.release, folder.name, instructions)
            mutated += _mutated(reference, folder)
            if options.changes:
                changed += _changed(reference, folder, options.changes, programs)
    _print("held-out mutations", mutated)
    _print("changes of solution.py", changed)


def _reference(release: Path, task_id: str, instructions: Instructions) -> ReferenceAnswer:
    (answer,) = score.load_answers(release, [task_id])
    rules = answer.rules
    grading = Grading(
        metric=rules.metric,
        targets=rules.targets,
        scores=rules.scores,
        label_type=rules.label_type,
        rtol=rules.rtol,
        atol=dict(rules.atol or {}),
        n_rows=answer.truth.num_rows,
    )
    truth = pl.DataFrame(pl.from_arrow(answer.truth)).sort(ID_COLUMN)
    return ReferenceAnswer(instructions, truth, grading, KillThresholds())


def _mutated(reference: ReferenceAnswer, folder: Path) -> Iterator[Tried]:
    pipeline = Pipeline(reference.instructions, folder)
    estimator = str(reference.instructions.steps[-1].parameters["estimator"])
    for position, step in enumerate(pipeline.steps):
        for mutation in held_out_mutations(pipeline.steps, position):
            failed, answer = False, None
            try:
                answer = pipeline.mutated(position, mutation, mutation.n_replaced).answer
            except Exception:
                failed = True
            if answer is None and not failed and mutation.if_it_acts:
                continue
            killed = failed or (answer is not None and reference.kills(answer)[0])
            yield Tried(
                folder.name, estimator, position + 1, step.kind, mutation.name, killed, failed
            )


# --- The text of a program --------------------------------------------------------------------


def _changed(
    reference: ReferenceAnswer, folder: Path, n: int, programs: Workers
) -> Iterator[Tried]:
    program = (folder / "solution.py").read_text()
    public = folder.with_name(f"{folder.name}-public")
    public.mkdir()
    for file in folder.iterdir():
        if file.name not in ("solution.py", "question.txt"):
            (public / file.name).write_bytes(file.read_bytes())
    steps = reference.instructions.steps
    changes = list(dict.fromkeys(_changes(program)))
    sampled = random.Random(folder.name).sample(changes, min(n, len(changes)))
    for number, name, text in sampled:
        kind = steps[number - 1].kind
        estimator = str(steps[-1].parameters["estimator"])
        killed, failed = _run(reference, text, public, programs)
        yield Tried(folder.name, estimator, number, kind, name, killed, failed)


def _run(
    reference: ReferenceAnswer, program: str, public: Path, programs: Workers
) -> tuple[bool, bool]:
    """Whether the mistake is killed, and whether there is no answer."""
    scratch = public.with_name(f"{public.name}-run")
    limits = (_TIMEOUT_S, _MEMORY_MB)
    try:
        path = programs.run(
            run_program, program, public, scratch, *limits, timeout_s=2 * _TIMEOUT_S
        )
        schema = reference.truth.schema
        answer = pl.read_csv(path, infer_schema=False).select(
            pl.col(name).cast(pl.Float64).cast(schema[name]) if schema[name].is_numeric() else name
            for name in schema
        )
    except (ProgramFailed, TimeoutError, pl.exceptions.PolarsError):
        return True, True
    return reference.kills(answer.sort(ID_COLUMN))[0], False


def _changes(program: str) -> Iterator[tuple[int, str, str]]:
    """Number of the step, kind of change, and the changed program."""
    lines = program.splitlines(keepends=True)
    starts = [i for i, line in enumerate(lines) if re.match(r"# \d+\. ", line)]
    for number, start in enumerate(starts, start=1):
        end = next(i for i in range(start, len(lines) + 1) if i == len(lines) or lines[i] == "\n")
        head, block, tail = (
            "".join(part) for part in (lines[: start + 1], lines[start + 1 : end], lines[end:])
        )
        if number < len(starts):
            yield number, "delete", head + tail
        for name, text in _altered(block):
            yield number, name, head + text + tail


def _altered(block: str) -> Iterator[tuple[str, str]]:
    for wrong, right in _EXCHANGES:
        for match in re.finditer(wrong, block):
            yield (
                f"exchange {match[0].strip()}",
                block[: match.start()] + right + block[match.end() :],
            )
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            yield "number", _replaced(block, node, _misread(node.value))
        if isinstance(node, ast.List) and len(node.elts) > 1:
            fewer = ast.List(elts=node.elts[:-1], ctx=node.ctx)
            yield "shorter list", _replaced(block, node, ast.unparse(fewer))


def _misread(value: float) -> str:
    if isinstance(value, int):
        return repr(value + 1)
    return repr(float(f"{value * _MISREAD:.12g}") if value else 1.0)


def _replaced(block: str, node: ast.expr, text: str) -> str:
    """Columns of a node count bytes."""
    lines = [line.encode() for line in block.splitlines(keepends=True)]
    assert node.lineno == node.end_lineno
    line = lines[node.lineno - 1]
    lines[node.lineno - 1] = line[: node.col_offset] + text.encode() + line[node.end_col_offset :]
    return b"".join(lines).decode()


# --- Printing ---------------------------------------------------------------------------------


def _print(title: str, tried: list[Tried]) -> None:
    answered = [one for one in tried if not one.failed]
    if not answered:
        return
    steps = _grouped(answered, "task", "position")
    detected = sum(any(one.killed for one in group) for group in steps.values())
    tasks = {name: _share(group) for (name,), group in _grouped(answered, "task").items()}
    print(f"\n{title}: {len(tried)} tried, {len(tried) - len(answered)} end in an error")
    print(f"  killed {_share(answered):.3f} of {len(answered)}")
    print(f"  steps detected by at least one {detected / len(steps):.3f} of {len(steps)}")
    print(f"  tasks under 0.9: {sum(share < 0.9 for share in tasks.values())} of {len(tasks)}")
    for name in sorted(tasks, key=tasks.__getitem__)[:5]:
        print(f"    {tasks[name]:.3f} {name}")
    for fields in (("kind",), ("estimator",), ("kind", "name")):
        print(f"  by {' and '.join(fields)}: mutation score, number")
        groups = _grouped(answered, *fields)
        for key in sorted(groups, key=lambda key: (_share(groups[key]), key)):
            print(f"    {_share(groups[key]):.3f} {len(groups[key]):5d} {' '.join(key)}")


def _grouped(tried: list[Tried], *fields: str) -> dict[tuple[str, ...], list[Tried]]:
    groups: dict[tuple[str, ...], list[Tried]] = defaultdict(list)
    for one in tried:
        groups[tuple(str(getattr(one, name)) for name in fields)].append(one)
    return groups


def _share(tried: list[Tried]) -> float:
    return sum(one.killed for one in tried) / len(tried)


if __name__ == "__main__":
    main()
