"""All that is known about one source before its tasks are made.

A dataset enters; its evidence leaves, or a `Drop` when its words and its data contradict each
other, when it tells who people are, or when its creator objects to this use. Nothing here compares
sources: `clusters.py` does. Evidence quotes texts of strangers, cut short and never interpreted.
"""

from pydantic import Field

from extract.dataset import DatasetRef, RawDataset
from extract.drop import Drop
from extract.evidence.agreement.disagreement import Disagreement
from extract.evidence.agreement.disagreements import AgreementConfig, disagreements
from extract.evidence.artificial import words_of_artificiality
from extract.evidence.freshness import last_update, newest_instant
from extract.evidence.near_duplicates.sketch import TableSketch, sketch
from extract.evidence.objections import objection
from extract.evidence.personal import PRIVATE, Personal, personal_columns
from extract.noun import Noun

_MAX_TABLES = 16
"""The largest tables are sketched."""


class EvidenceConfig(Noun):
    """What a source must fulfil."""

    agreement: AgreementConfig = AgreementConfig()
    max_personal_kinds: int = Field(default=1, ge=0)
    """Kinds of personal data in one table; from one more on, of which one is never an
    organisation's, it is a directory of people."""


class SourceEvidence(Noun):
    """What speaks for and about one source."""

    ref: DatasetRef
    newest: str | None
    """ISO 8601 instant of the newest data that lies before the last update; None when unknown."""
    updated: str | None
    """Last update, None when absent or absurd."""
    tags: tuple[str, ...]
    """`artificial`, and weaker doubts: `note_…`."""
    quotes: tuple[str, ...]
    """What proves the tags, verbatim and cut."""
    refused_tables: tuple[str, ...]
    """Names of tables that contradict their headers or the description."""
    personal: tuple[Personal, ...]
    """Columns with personal data; no task may ship them."""
    tables: tuple[TableSketch, ...]

    def allowed(self, raw: RawDataset) -> RawDataset:
        """The dataset without the tables that are refused and the columns with personal data."""
        personal = {(found.table, found.column) for found in self.personal}
        tables = []
        for table in raw.tables:
            columns = tuple(c for c in table.columns if (table.name, c.name) not in personal)
            if table.name not in self.refused_tables:
                tables.append(table.model_copy(update={"columns": columns}))
        return raw.model_copy(update={"tables": tuple(tables)})


def look_at(raw: RawDataset, config: EvidenceConfig) -> SourceEvidence | Drop:
    """Evidence about a dataset, or why it cannot be used; reads all of its tables."""
    objected = objection(raw)
    if objected:
        return _drop(raw, "creator_objects", "the creator objects to this use", objected)
    found = disagreements(raw, config.agreement)
    strong = [item for item in found if item.is_strong]
    refused = {item.table for item in strong}
    good = [table for table in raw.tables if table.name not in refused]
    if strong and (None in refused or not good):
        return _drop(raw, "source_mismatch", strong[0].detail, _quoted(strong))
    personal = personal_columns(raw)
    artificial = words_of_artificiality(raw)
    crowd = [t.name for t in good if _is_crowd(personal, t.name, config)]
    if crowd and not artificial:
        told = "; ".join(f"{p.table}.{p.column}: {p.kind}" for p in personal)
        return _drop(raw, "personal_data", f"table {crowd[0]} tells who people are", told)
    notes = [item for item in found if not item.is_strong]
    updated = last_update(raw, good)
    largest = sorted(good, key=lambda table: (-table.n_rows, table.name))[:_MAX_TABLES]
    return SourceEvidence(
        ref=raw.ref,
        newest=newest_instant(good, updated),
        updated=updated,
        tags=(*(("artificial",) if artificial else ()), *sorted({f"note_{n.name}" for n in notes})),
        quotes=(*artificial, *(note.detail for note in notes)),
        refused_tables=tuple(sorted(name for name in refused if name is not None)),
        personal=personal,
        tables=tuple(sketch(table) for table in largest),
    )


def _is_crowd(personal: tuple[Personal, ...], table: str, config: EvidenceConfig) -> bool:
    kinds = {item.kind for item in personal if item.table == table}
    return len(kinds) > config.max_personal_kinds and bool(kinds & PRIVATE)


def _quoted(strong: list[Disagreement]) -> str:
    return "; ".join(f"{item.name}: {item.evidence}" for item in strong)


def _drop(raw: RawDataset, reason: str, detail: str, evidence: str) -> Drop:
    return Drop(
        key=raw.ref.key,
        source=raw.ref.key,
        room="validate",
        reason=reason,
        detail=detail,
        evidence=evidence,
    )
