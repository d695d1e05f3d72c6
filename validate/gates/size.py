"""Enough rows to learn from and to grade on, counted in the released files."""

from typing import ClassVar

import polars as pl

from transform.files.task_folder import TaskFolder
from transform.rows.size import SizeConfig
from transform.run.execute import load_tables
from transform.task import ID_COLUMN, Grid
from validate.gate import FileGate
from validate.verdict import Finding


class Size(FileGate, SizeConfig):
    """Refuses tables below its limits.

    They are also what the families look at before they draft a task, so this gate is a `SizeConfig`
    and whoever needs the limits is given the gate's.
    """

    name: ClassVar[str] = "size"
    order: ClassVar[int] = 20

    def look(self, task: TaskFolder) -> Finding:
        """The first limit that is not reached."""
        instructions = task.spec.instructions
        train, val = load_tables(instructions, task.public)
        truth = pl.read_parquet(task.truth_file)
        if instructions.grid is not None:
            counts = self._series(instructions.grid, train, val)
        else:
            counts = self._rows(train, val)
        if instructions.problem == "classification" and not instructions.is_executed:
            # Where truth is executed, a rare class is the answer, not a lack of rows.
            labels = truth[instructions.targets[0]].value_counts(name=" n")
            counts["val rows of the rarest class"] = (
                int(labels[" n"].min()),  # type: ignore[arg-type]
                self.min_class_rows,
            )
        if truth[ID_COLUMN].to_list() != val[ID_COLUMN].to_list():
            return self.refused(evidence="the ids of truth and val differ")
        return self._judge(counts)

    def _rows(self, train: pl.DataFrame, val: pl.DataFrame) -> dict[str, tuple[int, int]]:
        return {
            "train rows": (train.height, self.min_train_rows),
            "val rows": (val.height, self.min_val_rows),
        }

    def _series(
        self, grid: Grid, train: pl.DataFrame, val: pl.DataFrame
    ) -> dict[str, tuple[int, int]]:
        """Scored instants and rows, and the shortest history of an entity that is scored."""
        horizon = val[grid.column].n_unique()
        need = max(self.min_history, self.history_factor * horizon)
        return {
            "scored instants": (horizon, self.min_instants),
            "scored rows": (val.height, self.min_scored_rows),
            "instants of the shortest history": (_shortest_history(grid, train, val), need),
        }

    def _judge(self, counts: dict[str, tuple[int, int]]) -> Finding:
        for what, (count, needed) in counts.items():
            if count < needed:
                return self.refused(count, needed, what)
        what, (count, needed) = next(iter(counts.items()))
        return self.passed(count, needed, what)


def _shortest_history(grid: Grid, train: pl.DataFrame, val: pl.DataFrame) -> int:
    instants = pl.col(grid.column).n_unique()
    if not grid.entities:
        return train[grid.column].n_unique()
    scored = val.select(grid.entities).unique()
    history = train.group_by(grid.entities).agg(instants.alias(" n"))
    # From the left: an entity that is scored without any history must count, as 0.
    joined = scored.join(history, on=list(grid.entities), how="left", nulls_equal=True)
    return int(joined[" n"].fill_null(0).min())  # type: ignore[arg-type]
