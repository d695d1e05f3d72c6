"""A contradiction between what is said about data and the data."""

from extract.noun import Noun


class Disagreement(Noun):
    """Two sides that cannot both be true, or hardly."""

    name: str
    """What they disagree on: headers, times, years, columns, rows, files, limits."""
    detail: str
    """What was expected and what was found."""
    evidence: str
    """Both sides, quoted."""
    table: str | None = None
    """The table it is about; None for the whole source."""
    is_strong: bool = False
    """Enough to refuse."""
