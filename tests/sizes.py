"""Prints how long functions and modules are, in lines, docstrings included; `make check` runs it.

A thermometer, not a gate: it never fails. An `__init__.py` holds a docstring and does not count.
"""

import ast
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path


def modules(rooms: Sequence[str]) -> dict[str, int]:
    """Lines by module path."""
    paths = (path for room in rooms for path in sorted(Path(room).rglob("*.py")))
    return {str(p): len(p.read_text().splitlines()) for p in paths if p.name != "__init__.py"}


def functions(path: str) -> Iterator[tuple[str, int]]:
    """Each function or method with its lines."""
    for node in ast.walk(ast.parse(Path(path).read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield f"{path}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def row(kind: str, sizes: dict[str, int]) -> str:
    """One line of the table."""
    ordered = sorted(sizes.values())
    p95 = ordered[int(0.95 * (len(ordered) - 1))]
    largest = max(sizes, key=lambda name: sizes[name])
    median = statistics.median(ordered)
    return f"{kind:<10}{len(ordered):>6}{median:>8g}{p95:>6}{sizes[largest]:>6}  {largest}"


def main(rooms: Sequence[str]) -> None:
    """Print the table for the given folders."""
    by_module = modules(rooms)
    by_function = dict(pair for path in by_module for pair in functions(path))
    print(f"{'lines of':<10}{'n':>6}{'median':>8}{'p95':>6}{'max':>6}  largest")
    print(row("functions", by_function))
    print(row("modules", by_module))


if __name__ == "__main__":
    main(sys.argv[1:])
