"""What a search for leaks hands to its gate."""

from dataclasses import dataclass, field

_QUOTED = 3
"""Columns named in evidence; more are counted."""


@dataclass
class Leaks:
    """Columns that a task is better off without, and faults that no column explains."""

    columns: dict[str, str] = field(default_factory=dict)
    """Why, by column; the first reason found stands."""
    faults: list[str] = field(default_factory=list)
    """Nothing mends these."""

    def blame(self, column: str, why: str) -> None:
        """Note a column, once."""
        self.columns.setdefault(column, why)

    @property
    def count(self) -> int:
        """Columns and faults."""
        return len(self.columns) + len(self.faults)

    @property
    def evidence(self) -> str:
        """The faults, or what the columns give away; bounded."""
        reasons = [*self.faults, *self.columns.values()]
        more = f" and {len(reasons) - _QUOTED} more" if len(reasons) > _QUOTED else ""
        return "; ".join(reasons[:_QUOTED]) + more
