"""The table of all planted faults: what is planted, where, and who must stop it.

`python -m tests.faults.plants` prints it.
"""

from tests.faults import copies, sources, tasks, words
from tests.faults.fault import Fault

FAULTS: tuple[Fault, ...] = (
    *sources.planted(),
    *tasks.tampered(),
    *words.planted(),
    *copies.copied(),
)


def table() -> str:
    """Kind, place and expected reasons, one line each."""
    rows = [(fault.name, fault.place, ", ".join(fault.expected)) for fault in FAULTS]
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    return "\n".join(f"{n:<{widths[0]}}  {p:<{widths[1]}}  {e}" for n, p, e in rows)


if __name__ == "__main__":
    print(table())
