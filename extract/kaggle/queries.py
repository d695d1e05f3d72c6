"""What can be asked of Kaggle's search, and what one page of it holds.

Values of `Literal` are Kaggle's own, as its official client spells them.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError

from extract.dataset import DatasetRef
from extract.noun import Noun

LicenceGroup = Literal["all", "cc", "gpl", "odb", "other"]
FileGroup = Literal["all", "csv", "sqlite", "json", "bigQuery", "parquet"]
SortOrder = Literal["hottest", "votes", "updated", "active", "published"]


class _Query(Noun):
    """Which datasets are meant. Empty fields ask for nothing."""

    text: str = Field(default="", max_length=200)
    tags: tuple[str, ...] = ()
    """Names of tags; whether one or all must be there is the service's choice."""
    licence: LicenceGroup = "all"
    """A group as the service has it, not a licence: every dataset's own is read all the same."""
    file_type: FileGroup = "all"
    sort: SortOrder = "hottest"
    min_bytes: int = Field(default=0, ge=0)
    max_bytes: int = Field(default=1 << 30, ge=1)
    """Both of the compressed dataset, as Kaggle counts."""


class Search(_Query):
    """What is looked for."""

    min_usability: float = Field(default=0, ge=0, le=1)
    """Kaggle's own rating; what lies below is passed over."""
    most: int | None = Field(default=None, ge=1)
    """Datasets wanted, in the order of `sort`; None: all."""


def named_dataset(name: str) -> tuple[DatasetRef, bool]:
    """The dataset, and whether a version is named. Raises `ValueError` for what names none."""
    owner, slug, *version = name.split("/") if name.count("/") in (1, 2) else ("", "")
    number = int(version[0]) if version and version[0].isascii() and version[0].isdigit() else 0
    try:
        ref = DatasetRef(owner=owner, slug=slug, version=number or 1)
    except ValidationError:
        ref = None
    if ref is None or bool(version) != bool(number):
        raise ValueError(f"owner/slug or owner/slug/version, unlike {name!r}")
    return ref, bool(version)


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    # Kaggle's names are the same in any case.
    keys = [named_dataset(name)[0].key.casefold() for name in names]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ValueError(f"each dataset once; {twice[0]} is named twice")
    return names


class Wanted(Noun):
    """The datasets that are taken."""

    searches: tuple[Search, ...] = ()
    datasets: Annotated[tuple[str, ...], AfterValidator(_each_once)] = ()
    """Single datasets, `owner/slug` or `owner/slug/version`, beside what the searches find."""


class PageQuery(_Query):
    """One page of a search."""

    page_size: int = Field(default=200, ge=1, le=200)
    token: str = ""
    """Of the page before; empty for the first page."""


class Page(Noun):
    """What one page of a search holds."""

    records: tuple[str, ...]
    """JSON values as they were sent, objects where the service is well."""
    next_token: str
    """Empty on the last page."""
