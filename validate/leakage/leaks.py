"""What a search for leaks returns to its gate: columns to do without, and faults beyond repair.

Holds sentences for evidence; it judges nothing, and does not say how sure a reason is.
"""

from dataclasses import dataclass, field

_QUOTED = 3
"""Columns named in evidence; more are counted."""


@dataclass
class Leaks:
    """Columns that a task is better off without, and faults that no column explains."""

    columns: dict[str, str] = field(default_factory=dict)
    """Why, by column; the first reason stands."""
    faults: list[str] = field(default_factory=list)
    """Nothing mends these."""

    def flag(self, column: str, why: str) -> None:
        """Note a column, once."""
        self.columns.setdefault(column, why)

    @property
    def count(self) -> int:
        """Columns and faults."""
        return len(self.columns) + len(self.faults)

    @property
    def evidence(self) -> str:
        """The faults, or why columns are flagged; bounded."""
        reasons = [*self.faults, *self.columns.values()]
        more = f" and {len(reasons) - _QUOTED} more" if len(reasons) > _QUOTED else ""
        return "; ".join(reasons[:_QUOTED]) + more
