"""The reference program of an instruction task: `solution.py`, written step by step.

A person can read it beside the prose: each step stands as a comment over the lines that do it. It
takes no arguments, reads the task's files by name from the working directory, writes
`prediction.csv` there, and imports only numpy, pandas, scikit-learn and statsmodels. Names and
values from the data enter as Python literals only.
"""

from transform.files.tables import read_lines, write_lines
from transform.steps import registry
from transform.task import Instructions


def write_program(instructions: Instructions) -> str:
    """Source of the program that follows the instructions."""
    steps = [registry.resolve(spec) for spec in instructions.steps]
    # Always: the lines that read and write files use both.
    imports = {"import numpy as np", "import pandas as pd"}
    imports.update(line for step in steps for line in step.imports)
    text_columns = frozenset(name for step in steps for name in step.text_columns)
    lines = [
        '"""Reference solution: follows the steps of the task to the letter."""',
        "",
        *sorted(imports),
        "",
        f"targets = {list(instructions.targets)!r}",
        *read_lines(instructions, text_columns),
    ]
    for number, step in enumerate(steps, start=1):
        lines += ["", f"# {number}. {step.say()}", *step.write()]
    lines += ["", *write_lines()]
    return "\n".join(lines) + "\n"
