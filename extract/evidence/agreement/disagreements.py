"""Whether what a source says about its data is true of the data.

A dataset enters, disagreements leave. Strong ones refuse: a table whose headers fit only in another
order, whose times cannot be, or whose paired limits are swapped is left out; a description that
speaks of other years and other columns refuses the source. Everything weaker is a note: authors
round, forget and translate, and a good source must not fall for it. Meaning is not understood here;
words, types, ranges and years are compared.
"""

from collections.abc import Iterator

from pydantic import Field

from extract.dataset import RawDataset
from extract.evidence.agreement.claims import Claims, read_claims
from extract.evidence.agreement.disagreement import Disagreement
from extract.evidence.agreement.headers import header_disagreements
from extract.evidence.agreement.periods import Period, impossible_times, periods
from extract.evidence.freshness import last_update
from extract.evidence.texts import plain
from extract.evidence.vocabulary import words
from extract.noun import Noun


class AgreementConfig(Noun):
    """How wide words and data may part."""

    years_apart: int = Field(default=2, ge=1)
    """Years between the nearest year that the text names and the data's."""
    rows_factor: float = Field(default=5.0, gt=1)
    """Between the nearest stated number of rows and those found."""
    named_columns: int = Field(default=5, ge=2)
    """Columns that the text lists, of which the data has none."""


def disagreements(raw: RawDataset, config: AgreementConfig) -> list[Disagreement]:
    """All contradictions in a dataset, those of tables first; reads its tables."""
    found: list[Disagreement] = []
    updated = last_update(raw, raw.tables)
    for table in raw.tables:
        found += header_disagreements(table)
        found += impossible_times(table, updated, raw)
    return [*found, *_about_the_source(raw, config)]


def _about_the_source(raw: RawDataset, config: AgreementConfig) -> Iterator[Disagreement]:
    """Description against data; each is a note, and two that fit together are a proof."""
    claims = read_claims(raw)
    doubts = [
        doubt
        for doubt in (
            _years(claims, periods(raw), config),
            _columns(claims, raw, config),
            _rows(claims, raw, config),
            _files(claims, raw),
        )
        if doubt is not None
    ]
    names = {doubt.name for doubt in doubts}
    proven = len(names & {"years", "columns"}) == 2 or {"files", "rows"} <= names
    years = next((doubt for doubt in doubts if doubt.name == "years"), None)
    for doubt in doubts:
        alone = doubt is years and _is_plain(claims)
        yield doubt.model_copy(update={"is_strong": proven or alone})


def _is_plain(claims: Claims) -> bool:
    """Whether the text says in so many words from when to when its data goes."""
    return claims.period is not None


def _years(claims: Claims, found: Period | None, config: AgreementConfig) -> Disagreement | None:
    if found is None or not claims.years:
        return None
    distance = min(max(found.first - year, year - found.last, 0) for year in sorted(claims.years))
    if distance < config.years_apart:
        return None
    said = claims.period or ", ".join(map(str, sorted(claims.years)[:8]))
    return Disagreement(
        name="years",
        detail=f"expected data of {said}, found {found.first} to {found.last}",
        evidence=f"{claims.period_quote or said}; column {found.column}: "
        f"{found.first} to {found.last}",
    )


def _columns(claims: Claims, raw: RawDataset, config: AgreementConfig) -> Disagreement | None:
    """A list of columns of which the data has none, while none of its own is mentioned."""
    if len(claims.columns) < config.named_columns:
        return None
    listed = {word for name in claims.columns for word in words(name) if len(word) > 2}
    text = " ".join((raw.title, raw.subtitle, raw.description, *raw.tags))
    said = set(words(plain(text)))
    joined = "".join(words(text))
    own = {
        word
        for table in raw.tables
        for column in table.columns
        for word in words(column.name)
        if len(word) > 2 and word.isalpha()
    }
    n_columns = max(len(table.columns) for table in raw.tables)
    if len(own) < min(3, n_columns) or own & (listed | said) or any(w in joined for w in own):
        return None
    return Disagreement(
        name="columns",
        detail=f"expected columns such as {', '.join(claims.columns[:4])}, found none of them",
        evidence=f"text lists {', '.join(claims.columns[:8])}; data has "
        f"{', '.join(c.name for c in raw.tables[0].columns[:8])}",
    )


def _rows(claims: Claims, raw: RawDataset, config: AgreementConfig) -> Disagreement | None:
    sizes = [table.n_rows for table in raw.tables]
    sizes.append(sum(sizes))
    factors = [
        max(said / size, size / said) for said in claims.rows for size in sizes if size and said
    ]
    if not factors or min(factors) <= config.rows_factor:
        return None
    return Disagreement(
        name="rows",
        detail=f"expected {claims.rows[0]} rows, found {sizes[0]}",
        evidence=f"{claims.rows_quote}; found {sizes[0]} rows in {raw.tables[0].source_file}",
    )


def _files(claims: Claims, raw: RawDataset) -> Disagreement | None:
    """Files that the text names, none of which was read."""
    read = {table.source_file.casefold().rsplit("/", 1)[-1] for table in raw.tables}
    if not claims.files or read & set(claims.files):
        return None
    return Disagreement(
        name="files",
        detail=f"expected the file {claims.files[0]}, found {min(read)}",
        evidence=f"text names {', '.join(claims.files[:5])}; read {', '.join(sorted(read)[:5])}",
    )
