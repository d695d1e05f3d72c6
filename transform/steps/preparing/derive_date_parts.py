"""Replace an instant by its calendar parts.

Each part is one new column at the end of the table, in the stated order.
"""

import random
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from transform.steps.phrase import Phrase
from transform.steps.step import Mutation, Step, StepContext, StepStage, Workspace

Part = Literal["year", "month", "day", "dayofweek", "hour"]

_PARTS: dict[Part, str] = {
    "year": "year",
    "month": "month",
    "day": "day",
    "dayofweek": "weekday",
    "hour": "hour",
}
"""Our names and those of polars."""


class DeriveDateParts(Step):
    """Year, month, day of the month, day of the week, hour."""

    kind: ClassVar[str] = "derive_date_parts"
    stage: ClassVar[StepStage] = "derive"
    phrase: ClassVar[Phrase] = Phrase(
        "In both tables, remove the column {column:column} and append its parts {parts:columns} as "
        "number columns in this order, each named by the column, an underscore and the part; "
        "`month` and `day` count from 1, `dayofweek` is {week:choice}; a missing instant gives "
        "missing parts.",
        {
            "week": {
                "monday": "0 on Monday to 6 on Sunday",
                "sunday": "0 on Sunday to 6 on Saturday",
            }
        },
    )

    column: str
    parts: tuple[Part, ...] = Field(min_length=1)
    week: Literal["monday", "sunday"] = "monday"

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[DeriveDateParts, ...]":
        """For each time column, in random order, all parts that vary in train."""
        steps: list[DeriveDateParts] = []
        for column in context.times:
            instants = context.train[column].cast(pl.Datetime("us")).drop_nulls()
            parts = [
                part
                for part, name in _PARTS.items()
                # A part that is the same everywhere tells a model nothing.
                if getattr(instants.dt, name)().n_unique() > 1
                and f"{column}_{part}" not in context.train.columns
            ]
            if parts:
                # In calendar order the stated order could be guessed.
                rng.shuffle(parts)
                steps.append(cls(column=column, parts=tuple(parts)))
        rng.shuffle(steps)
        return tuple(steps)

    def apply(self, work: Workspace) -> Workspace:
        """Polars counts the days of the week from 1 on Monday."""
        if not work.present((self.column,)):
            return work
        instant = pl.col(self.column).cast(pl.Datetime("us"))
        parts: list[pl.Expr] = []
        for part in self.parts:
            number = getattr(instant.dt, _PARTS[part])().cast(pl.Int64)
            if part == "dayofweek":
                number = number - 1 if self.week == "monday" else number % 7
            parts.append(number.alias(f"{self.column}_{part}"))
        return work.on_both(lambda frame: frame.with_columns(parts).drop(self.column))

    def write(self) -> tuple[str, ...]:
        """The `dt` accessor, once for each table."""
        lines = ["for frame in (train, val):", f"    instant = frame.pop({self.column!r})"]
        for part in self.parts:
            # Pandas is about to drop the name without underscores.
            number = "instant.dt.day_of_week" if part == "dayofweek" else f"instant.dt.{part}"
            if part == "dayofweek" and self.week == "sunday":
                number = f"({number} + 1) % 7"
            lines.append(f"    frame[{f'{self.column}_{part}'!r}] = {number}")
        return tuple(lines)

    def mutations(self) -> tuple[Mutation, ...]:
        """Begin the week on Sunday, overlook the last part, or skip it, which loses the column."""
        wrong = [Mutation("skip", ())]
        if "dayofweek" in self.parts and self.week == "monday":
            wrong.insert(0, self.mutated("week_from_sunday", week="sunday"))
        if len(self.parts) > 1:
            wrong.append(self.mutated("without_last", parts=self.parts[:-1]))
        return tuple(wrong)
