"""Whether what a source says about its data is true of the data.

Takes a dataset, returns issues. Some refuse: a table whose headers fit only in another order, whose
times cannot be, or whose paired limits are swapped is left out; a description that speaks of other
years and other columns refuses the source. Everything weaker is a note: authors round, forget and
translate, and a good source must not be refused for it. Meaning is not understood here; words,
types, ranges and years are compared.
"""

from collections.abc import Iterator

from extract.dataset import RawDataset
from extract.drop import Reason
from extract.evidence.contradictions.claims import Claims, read_claims
from extract.evidence.contradictions.headers import header_issues
from extract.evidence.contradictions.times import Period, impossible_times, period_of
from extract.evidence.freshness import last_update
from extract.evidence.issue import Issue
from extract.evidence.texts import without_markup
from extract.evidence.vocabulary import words

_YEARS_APART = 2
"""Years between the nearest year that the text names and the data's: one is rounding."""
_ROWS_FACTOR = 5.0
"""Between the nearest stated number of rows and those read: authors count before they clean."""
_NAMED_COLUMNS = 5
"""Columns that the text lists, of which the data has none: a shorter list may be of anything."""


def contradictions(raw: RawDataset) -> list[Issue]:
    """All contradictions in a dataset, those of tables first; reads its tables."""
    issues: list[Issue] = []
    update = last_update(raw, raw.tables)
    for table in raw.tables:
        issues += header_issues(table)
        issues += impossible_times(table, update, raw)
    return [*issues, *_description_issues(raw)]


def _description_issues(raw: RawDataset) -> Iterator[Issue]:
    """Description against data; each is a note, and two that fit together are a proof."""
    claims = read_claims(raw)
    checks = (
        _years(claims, period_of(raw)),
        _columns(claims, raw),
        _rows(claims, raw),
        _files(claims, raw),
    )
    doubts = [doubt for doubt in checks if doubt is not None]
    names = {doubt.name for doubt in doubts}
    proven = {"years", "columns"} <= names or {"files", "rows"} <= names
    for doubt in doubts:
        # Years alone are a proof where the text says in so many words what its data spans.
        suffices = doubt.name == "years" and claims.period is not None
        reason = Reason.SOURCE_MISMATCH if proven or suffices else None
        yield doubt.model_copy(update={"reason": reason})


def _years(claims: Claims, period: Period | None) -> Issue | None:
    if period is None or not claims.years:
        return None
    distance = min(max(period.first - year, year - period.last, 0) for year in claims.years)
    if distance < _YEARS_APART:
        return None
    stated = claims.period or ", ".join(map(str, sorted(claims.years)[:8]))
    observed = f"{period.first} to {period.last}"
    return Issue(
        name="years",
        detail=f"expected data of {stated}, found {observed}",
        evidence=f"{claims.period_quote or stated}; column {period.column}: {observed}",
    )


def _columns(claims: Claims, raw: RawDataset) -> Issue | None:
    """A list of columns of which the data has none, while none of its own is mentioned."""
    if len(claims.columns) < _NAMED_COLUMNS:
        return None
    listed = {word for name in claims.columns for word in words(name) if len(word) > 2}
    text = " ".join((raw.title, raw.subtitle, raw.description, *raw.tags))
    mentioned = set(words(without_markup(text)))
    # Run together, since a column may be `billlength` where the text says bill length.
    joined = "".join(words(text))
    own = _column_words(raw)
    n_columns = max(len(table.columns) for table in raw.tables)
    if len(own) < min(3, n_columns) or own & (listed | mentioned) or any(w in joined for w in own):
        return None
    return Issue(
        name="columns",
        detail=f"expected columns such as {', '.join(claims.columns[:4])}, found none of them",
        evidence=f"text lists {', '.join(claims.columns[:8])}; data has "
        f"{', '.join(c.name for c in raw.tables[0].columns[:8])}",
    )


def _column_words(raw: RawDataset) -> set[str]:
    """Words of all column names that are long enough to mean something."""
    names = (column.name for table in raw.tables for column in table.columns)
    return {word for name in names for word in words(name) if len(word) > 2 and word.isalpha()}


def _rows(claims: Claims, raw: RawDataset) -> Issue | None:
    sizes = [table.n_rows for table in raw.tables]
    # The text may count all files together.
    sizes.append(sum(sizes))
    factors = [
        max(stated / size, size / stated)
        for stated in claims.rows
        for size in sizes
        if size and stated
    ]
    if not factors or min(factors) <= _ROWS_FACTOR:
        return None
    return Issue(
        name="rows",
        detail=f"expected {claims.rows[0]} rows, found {sizes[0]}",
        evidence=f"{claims.rows_quote}; found {sizes[0]} rows in {raw.tables[0].source_file}",
    )


def _files(claims: Claims, raw: RawDataset) -> Issue | None:
    """Files that the text names, none of which was read."""
    read = {table.source_file.casefold().rsplit("/", 1)[-1] for table in raw.tables}
    if not claims.files or read & set(claims.files):
        return None
    return Issue(
        name="files",
        detail=f"expected the file {claims.files[0]}, found {min(read)}",
        evidence=f"text names {', '.join(claims.files[:5])}; read {', '.join(sorted(read)[:5])}",
    )
