"""What a proposer may know of a dataset: numbers, never the tables.

A `Profile` is small whatever the tables (values are cut, lists are bounded), so that it can also be
shown to a language model. Names and values are untrusted text of the source. It is data alone: that
a candidate passes the gates, or makes sense to a person, is not promised.
"""

from typing import Literal

from extract.dataset import ColumnType, DatasetRef
from extract.noun import Noun
from transform.proposal import Aggregation, TimeAxis

Pattern = Literal["url", "email", "uuid", "hash", "ip", "phone", "card"]
Role = Literal["number", "category", "time", "identifier", "text", "constant", "sparse", "personal"]
TargetKind = Literal["classification", "regression"]

_USABLE: tuple[Role, ...] = ("number", "category", "time")
MOST_FORECASTS = 3
"""Series of one table that are worth a task each; more of them move together."""
MOST_TARGETS = 5
"""Targets of one table that are measured side by side; each one more leaves the others fewer
features, because a target may not be shipped with another one's held-out rows."""
_LIKELY = 0.5
"""Share of past origins at which a forecast must have been worth a task."""
_MOSTLY_LEARNT = 0.75
"""Share of past origins at which a model must have told something, for instructions alone."""


class ValueCount(Noun):
    """One frequent value, as text and cut."""

    value: str
    count: int


class ColumnProfile(Noun):
    """One column in numbers. Shares are of all rows, or of those with a value where it says so."""

    name: str
    type: ColumnType
    missing_share: float
    n_unique: int
    """Distinct values, missing not counted."""
    unique_share: float
    """Distinct values by rows with a value; 0 for an empty column."""
    minimum: str | None
    maximum: str | None
    top: tuple[ValueCount, ...]
    """Most frequent values first, ties by value."""
    mean_length: float | None = None
    """Text: characters per value."""
    mean_words: float | None = None
    """Text: words per value, separated by blanks."""
    integer_like: bool = False
    """Numbers: every value is whole."""
    monotone: bool = False
    """Numbers and times: all values differ, and they rise or fall from row to row."""
    pattern: Pattern | None = None
    """Text: what nearly all values look like."""
    role: Role = "text"
    """What the column is good for."""
    role_reason: str = ""
    aggregation: Aggregation = "mean"
    """Numbers: how the rows of one grid cell become one value."""
    target_kind: TargetKind | None = None
    """What predicting it from the same row would be; None when it is no target."""

    @property
    def top_share(self) -> float:
        """Share of the most frequent value among rows with a value; 1 for an empty column."""
        if not self.top:
            return 1.0
        return self.top[0].count * self.unique_share / self.n_unique

    @property
    def usable(self) -> bool:
        """True when a task may ship the column."""
        return self.role in _USABLE


class Dependency(Noun):
    """One column tells another: to each value of the first belongs one of the second."""

    determinant: str
    dependent: str
    strength: float
    """How surely, see `determination`."""


class ColumnNote(Noun):
    """A column and what is said about it, in one sentence."""

    name: str
    why: str


class CandidateSeries(Noun):
    """A number worth forecasting, by forecasts of its past."""

    name: str
    horizon: int
    likely: float
    """Share of the origins at which a task would have been worth its while."""
    learnt: float
    """Share of the origins at which a model told something."""
    room: float
    """R² that effort adds to simple answers."""


class SeriesView(Noun):
    """One way to see a table as series: a grid, what tells the series apart, what to forecast."""

    axis: TimeAxis
    entities: tuple[str, ...]
    n_series: int
    """Series with enough history."""
    n_instants: int
    is_events: bool
    """Whether the rows of the table are events rather than values of a series."""
    why: tuple[str, ...]
    known_covariates: tuple[ColumnNote, ...] = ()
    """Columns whose future values are known when forecasting."""
    series: tuple[CandidateSeries, ...] = ()
    """The likeliest first; near copies of a better one are left out."""

    @property
    def worth(self) -> tuple[CandidateSeries, ...]:
        """Series that are likely worth a task; where none is, the one that is learnt best.

        What can be learnt without room for effort still serves instructions.
        """
        likely = self.series[: self.n_likely]
        learnt = [series for series in self.series if series.learnt >= _MOSTLY_LEARNT]
        return likely or tuple(sorted(learnt, key=lambda series: -round(series.learnt, 6))[:1])

    @property
    def n_likely(self) -> int:
        """Series that are likely worth a task; they come first."""
        return sum(series.likely >= _LIKELY for series in self.series)

    @property
    def value(self) -> float:
        """Forecasts likely worth a task, by their likelihood."""
        return sum(series.likely for series in self.series[: self.n_likely][:MOST_FORECASTS])


class CandidateTarget(Noun):
    """One target with the features that leave it room, by a small forest on other rows."""

    target: str
    kind: TargetKind
    features: tuple[str, ...]
    """In table order."""
    score: float
    """Macro-F1, or R²."""
    skill: float
    """The score between chance (0) and perfection (1)."""
    best_skill: float = 0.0
    """Its skill when nothing else of the table was a target."""
    dropped: tuple[ColumnNote, ...] = ()
    """Columns left out for this target, because they give it away."""


class TargetSet(Noun):
    """Targets that go together: none of them, nor what gives it away, is another one's feature."""

    targets: tuple[CandidateTarget, ...]
    pair: tuple[CandidateTarget, ...] = ()
    """The two best regressions as one task with two targets, or nothing."""


class Copies(Noun):
    """Columns that each tell one column exactly, with why."""

    of: str
    columns: tuple[ColumnNote, ...]


class Findings(Noun):
    """What can be asked of one table."""

    shares_rows_with: tuple[str, ...]
    """Tables that are not looked at, because they hold rows of this one."""
    views: tuple[SeriesView, ...]
    """The table seen as series, the plainest first."""
    no_view: str
    """Why it cannot be seen as series; empty where it can."""
    preferred: int | None
    """The plainest view that is nearly as good as the best; None without views."""
    split_column: str | None
    """Column of instants by which rows can be split."""
    group_column: str | None
    """Column whose rows belong together."""
    compared: tuple[str, ...]
    """Columns that were compared with each other; of others nothing is known to be no copy."""
    copies: tuple[Copies, ...]
    candidates: tuple[CandidateTarget, ...]
    """Each measured as if it were the only target, the best first."""
    target_sets: tuple[TargetSet, ...]
    """Sets of one target, of two, and so on, each measured beside the forecasts of the table."""

    def leaks(self, target: str) -> dict[str, str]:
        """Columns that give a target away, with why, as far as was measured."""
        copies = [note for same in self.copies if same.of == target for note in same.columns]
        others = [note for one in self.candidates if one.target == target for note in one.dropped]
        return {note.name: note.why for note in (*others, *copies)}

    @property
    def view(self) -> SeriesView | None:
        """The preferred view."""
        return None if self.preferred is None else self.views[self.preferred]


class TableProfile(Noun):
    """One table in numbers."""

    name: str
    n_rows: int
    columns: tuple[ColumnProfile, ...]
    dependencies: tuple[Dependency, ...]
    findings: Findings | None = None
    """None for a table that was not looked at."""

    def column(self, name: str) -> ColumnProfile:
        """The column of that name; raises `KeyError`."""
        return self.by_name[name]

    @property
    def by_name(self) -> dict[str, ColumnProfile]:
        """Columns by name, in table order."""
        return {column.name: column for column in self.columns}


class Profile(Noun):
    """All tables of a dataset in numbers."""

    dataset: DatasetRef
    tables: tuple[TableProfile, ...]
    """In the dataset's order."""
    looked_at: tuple[str, ...] = ()
    """Names of the tables with findings, the largest first."""

    def table(self, name: str) -> TableProfile:
        """The table of that name; raises `KeyError`."""
        return {table.name: table for table in self.tables}[name]
