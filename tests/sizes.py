"""Prints how large the product is and how it hangs together; `make check` runs it.

Takes the code of the rooms; prints a table, or one JSON object with `--json`. A thermometer, not a
gate: it never fails; `test_architecture.py` holds the limits. An `__init__.py` holds a docstring
and does not count as a module.
"""

import json
import statistics
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from flows.settings import Settings
from tests.knobs import knobs
from tests.rooms import (
    MODULES,
    ROOMS,
    code_and_comments,
    functions,
    longest_chain,
    n_lines,
    public_twice,
    room_of,
)

_FILES = sorted(name for name, path in MODULES.items() if path.name != "__init__.py")


def measure() -> dict[str, Any]:
    """Everything that is printed."""
    by_module = {name: n_lines(name) for name in _FILES}
    by_function = dict(pair for name in _FILES for pair in functions(name))
    counted = [code_and_comments(name) for name in _FILES]
    code, comments = (sum(column) for column in zip(*counted, strict=True))
    return {
        "rooms": {room: _room(room, by_module) for room in ROOMS},
        "functions": _spread(by_function),
        "modules": _spread(by_module),
        "code_lines": code,
        "comment_lines": comments,
        "comments_per_100_code_lines": round(100 * comments / code, 1),
        "longest_chain": list(longest_chain()),
        "public_twice": public_twice(),
        "knobs": len(list(knobs(Settings))),
    }


def _room(room: str, by_module: Mapping[str, int]) -> dict[str, int]:
    lines = [n for name, n in by_module.items() if room_of(name) == room]
    return {"modules": len(lines), "lines": sum(lines)}


def _spread(sizes: Mapping[str, int]) -> dict[str, Any]:
    """Lines: how many, the middle, the 95th percentile, and the largest with its name."""
    ordered = sorted(sizes.values())
    return {
        "n": len(ordered),
        "median": statistics.median(ordered),
        "p95": ordered[int(0.95 * (len(ordered) - 1))],
        "max": ordered[-1],
        "largest": max(sizes, key=lambda name: sizes[name]),
    }


def table(sizes: Mapping[str, Any]) -> Iterator[str]:
    """The lines for people."""
    yield f"{'room':<12}{'modules':>8}{'lines':>8}"
    rooms = sizes["rooms"]
    total = {key: sum(room[key] for room in rooms.values()) for key in ("modules", "lines")}
    for name, room in {**rooms, "all": total}.items():
        yield f"{name:<12}{room['modules']:>8}{room['lines']:>8}"
    yield f"{'lines of':<12}{'n':>8}{'median':>8}{'p95':>6}{'max':>6}  largest"
    for kind in ("functions", "modules"):
        row = sizes[kind]
        numbers = f"{row['n']:>8}{row['median']:>8g}{row['p95']:>6}{row['max']:>6}"
        yield f"{kind:<12}{numbers}  {row['largest']}"
    yield f"comments per 100 code lines  {sizes['comments_per_100_code_lines']}"
    yield f"longest chain of imports     {len(sizes['longest_chain'])}"
    yield f"names public twice           {len(sizes['public_twice'])}"
    yield f"knobs                        {sizes['knobs']}"


def main() -> None:
    """Print the table or the JSON."""
    sizes = measure()
    print(json.dumps(sizes, indent=2) if "--json" in sys.argv[1:] else "\n".join(table(sizes)))


if __name__ == "__main__":
    main()
