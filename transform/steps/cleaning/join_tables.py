"""Join the parts of a task that lies in several tables.

The parts hold different columns of the same rows; only the id tells which rows belong together.
"""

import random
from typing import Annotated, ClassVar

import polars as pl
from pydantic import Field

from transform.steps.phrase import Phrase
from transform.steps.step import Mutation, Step, StepContext, StepStage, Workspace
from transform.task import ID_COLUMN, DataFiles, possible_parts


class JoinTables(Step):
    """Make train and val of their parts."""

    kind: ClassVar[str] = "join_tables"
    stage: ClassVar[StepStage] = "join"
    phrase: ClassVar[Phrase] = Phrase(
        "Join {train:columns} on `row_id` into the training table, and {val:columns} on `row_id` "
        "into the table to predict; the columns stand in the order of these tables, the rows in "
        "ascending `row_id`."
    )

    train: tuple[Annotated[str, Field(pattern=r"^train_[1-9]$")], ...] = Field(min_length=1)
    """Tables to join; numbers count from 1."""
    val: tuple[Annotated[str, Field(pattern=r"^val_[1-9]$")], ...] = Field(min_length=1)

    @classmethod
    def of(cls, parts: int) -> "JoinTables":
        """The step that joins all of so many parts."""
        data = DataFiles(format="sqlite", parts=parts)
        return cls(train=data.tables("train"), val=data.tables("val"))

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[JoinTables, ...]":
        """Joins of every possible number of parts, in random order."""
        # The id is a column of every part and no part of its own.
        possible = possible_parts(len(context.val.columns) - 1)
        return tuple(cls.of(n) for n in rng.sample(possible, len(possible)))

    def apply(self, work: Workspace) -> Workspace:
        """Join the parts; the result has none left."""
        train = _join([work.parts[_index(name)][0] for name in self.train])
        val = _join([work.parts[_index(name)][1] for name in self.val])
        return Workspace(train=train, val=val, targets=work.targets)

    def write(self) -> tuple[str, ...]:
        """Merges on the id."""
        train = [_index(name) for name in self.train]
        val = [_index(name) for name in self.val]
        return (
            f"train, val = train_parts[{train[0]}], val_parts[{val[0]}]",
            *(f'train = train.merge(train_parts[{i}], on="row_id")' for i in train[1:]),
            *(f'val = val.merge(val_parts[{i}], on="row_id")' for i in val[1:]),
            'train = train.sort_values("row_id", ignore_index=True)',
            'val = val.sort_values("row_id", ignore_index=True)',
        )

    def mutations(self) -> tuple[Mutation, ...]:
        """Overlook the last table."""
        name = f"without_{len(self.train)}"
        return (self.mutated(name, train=self.train[:-1], val=self.val[:-1]),)


def _index(name: str) -> int:
    return int(name.rpartition("_")[2]) - 1


def _join(parts: list[pl.DataFrame]) -> pl.DataFrame:
    joined = parts[0]
    for part in parts[1:]:
        # A repeated id would multiply rows in silence.
        joined = joined.join(part, on=ID_COLUMN, validate="1:1")
    return joined.sort(ID_COLUMN)
