"""How much data a task needs: one place for proposers, families and the size gate.

The numbers are those of the size rows of the gate table; nothing here says that a task of this size
can be learnt.
"""

from typing import ClassVar

from pydantic import Field

from extract.noun import Noun


class SizeConfig(Noun):
    """Smallest task that is worth releasing."""

    min_train_rows: int = Field(default=200, ge=1)
    """Tabular: rows of train."""
    min_val_rows: int = Field(default=100, ge=1)
    """Tabular: rows of val."""
    min_class_rows: int = Field(default=5, ge=1)
    """Classification: rows of each class in val."""
    min_instants: int = Field(default=24, ge=1)
    """Forecasts: scored instants of the grid."""
    min_history: int = Field(default=50, ge=1)
    """Forecasts: instants of history of each kept entity, whatever the horizon."""
    min_scored_rows: ClassVar[int] = 24
    """Forecasts: scored rows over all entities. A series has one at each of 24 scored instants;
    where there are gaps, several series must make up for them."""
    history_factor: ClassVar[int] = 8
    """Forecasts: instants of history per scored instant, for each kept entity. Less would not
    show several times what must be forecast once."""

    @property
    def shortest_history(self) -> int:
        """Instants of history that the shortest admissible horizon needs."""
        return max(self.min_history, self.history_factor * self.min_instants)

    def horizon(self, n_history: int, n_held_out: int) -> int:
        """Most instants that may be scored after `n_history`; 0 when too few may be.

        A forecast scores the first instants of what is held out; the rest stays unused.
        """
        most = min(n_held_out, n_history // self.history_factor)
        return most if n_history >= self.min_history and most >= self.min_instants else 0
