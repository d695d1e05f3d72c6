"""All that is known about one source before its tasks are made.

Takes a dataset, returns its evidence, or a `Drop` when its words and its data contradict each
other, when it tells who people are, or when its creator objects to this use. Nothing here compares
sources: `clusters.py` does. Evidence quotes texts of strangers, cut short and never interpreted.
"""

from collections.abc import Callable, Sequence

from extract.dataset import DatasetRef, RawDataset, Table
from extract.drop import Drop
from extract.evidence.artificial import artificial_statements
from extract.evidence.contradictions.contradictions import contradictions
from extract.evidence.domain import Domain, domain
from extract.evidence.freshness import last_update, newest_instant
from extract.evidence.issue import Issue, refusal
from extract.evidence.language import language
from extract.evidence.near_duplicates.sketch import TableSketch, sketch
from extract.evidence.objections import creator_objection
from extract.evidence.personal import PersonalColumn, directory_of_people, personal_columns
from extract.noun import Noun
from extract.store import Store
from extract.stored_table import located, unlocated

_MAX_TABLES = 16
"""The largest tables are sketched: every pair of two sources is compared."""


class SourceEvidence(Noun):
    """What speaks for and about one source."""

    ref: DatasetRef
    newest_instant: str | None
    """ISO 8601 instant of the newest data that lies before the last update; None when unknown."""
    last_update: str | None
    """None when absent or absurd."""
    domain: Domain
    language: str | None
    """`en` where the source's own words are surely English."""
    tags: tuple[str, ...]
    """`artificial`, `well_known`, and weaker doubts: `note_…`."""
    quotes: tuple[str, ...]
    """What proves the tags, verbatim and cut."""
    refused_tables: tuple[str, ...]
    """Names of tables that contradict their headers or the description."""
    personal_columns: tuple[PersonalColumn, ...]
    """Columns with personal data; no task may ship them."""
    sketches: tuple[TableSketch, ...]
    """Of the largest tables."""

    def allowed(self, raw: RawDataset) -> RawDataset:
        """The dataset without the tables that are refused and the columns with personal data."""
        personal = {(column.table, column.column) for column in self.personal_columns}
        tables = []
        for table in raw.tables:
            columns = tuple(c for c in table.columns if (table.name, c.name) not in personal)
            if table.name not in self.refused_tables:
                tables.append(table.model_copy(update={"columns": columns}))
        return raw.model_copy(update={"tables": tuple(tables)})

    def on_tables(self, change: Callable[[Table], Table]) -> "SourceEvidence":
        """The same evidence on changed tables, such as located ones."""
        sketches = (s.model_copy(update={"table": change(s.table)}) for s in self.sketches)
        return self.model_copy(update={"sketches": tuple(sketches)})


def source_evidence(raw: RawDataset) -> SourceEvidence | Drop:
    """Evidence about a dataset, or why it cannot be used; reads all of its tables."""
    # The cheapest question goes first: no table is read for a creator who objects.
    if objection := creator_objection(raw):
        return refusal(raw.ref, [objection])
    issues = contradictions(raw)
    refusing = [issue for issue in issues if issue.reason]
    refused = {issue.table for issue in refusing}
    good = [table for table in raw.tables if table.name not in refused]
    if refusing and (None in refused or not good):
        return refusal(raw.ref, refusing)
    personal, artificial = personal_columns(raw), artificial_statements(raw)
    people = directory_of_people(personal, good)
    # Invented people have no privacy.
    if people and not artificial:
        return refusal(raw.ref, [people])
    return _evidence(raw, good, issues, personal, artificial)


def stored_evidence(raw: RawDataset, store: Store) -> SourceEvidence | Drop:
    """The same of a dataset as it travels, its tables in the store."""
    evidence = source_evidence(located(raw, store))
    return evidence if isinstance(evidence, Drop) else evidence.on_tables(unlocated)


def _evidence(
    raw: RawDataset,
    good: Sequence[Table],
    issues: Sequence[Issue],
    personal: tuple[PersonalColumn, ...],
    artificial: tuple[str, ...],
) -> SourceEvidence:
    notes = [issue for issue in issues if not issue.reason]
    refused = {issue.table for issue in issues if issue.reason and issue.table}
    update = last_update(raw, good)
    largest = sorted(good, key=lambda table: (-table.n_rows, table.name))[:_MAX_TABLES]
    doubts = sorted({f"note_{note.name}" for note in notes})
    return SourceEvidence(
        ref=raw.ref,
        newest_instant=newest_instant(good, update),
        last_update=update,
        domain=domain(raw),
        language=language(raw),
        tags=(*(("artificial",) if artificial else ()), *doubts),
        quotes=(*artificial, *(note.detail for note in notes)),
        refused_tables=tuple(sorted(refused)),
        personal_columns=personal,
        sketches=tuple(sketch(table) for table in largest),
    )
