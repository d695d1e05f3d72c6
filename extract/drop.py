"""The refusal that any room may hand over instead of its noun.

A `Drop` is data, not an exception: it is counted, kept with its evidence and published as a
`reject`. Exceptions are left for broken worlds (no disk, wrong configuration).
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from extract.noun import Noun

Room = Literal["extract", "transform", "validate", "publish"]

MAX_DETAIL, MAX_EVIDENCE = 500, 2_000
"""Characters; what is longer is cut at its end."""
Detail = Annotated[str, AfterValidator(lambda text: text[:MAX_DETAIL])]
Evidence = Annotated[str, AfterValidator(lambda text: text[:MAX_EVIDENCE])]


class Reason(StrEnum):
    """Why a room refuses (`docs/drop-reasons.md`); a gate refuses under its own name."""

    BAD_METADATA = "bad_metadata"
    LICENCE_UNKNOWN = "licence_unknown"
    LICENCE_REFUSED = "licence_refused"
    UNAVAILABLE = "unavailable"
    TOO_LARGE = "too_large"
    BAD_ARCHIVE = "bad_archive"
    NO_TABLE = "no_table"
    NO_PROPOSAL = "no_proposal"
    TOO_SMALL = "too_small"
    NO_FEATURE = "no_feature"
    NO_NOISE = "no_noise"
    NO_STEPS = "no_steps"
    NO_FIT = "no_fit"
    SOURCE_MISMATCH = "source_mismatch"
    CREATOR_OBJECTS = "creator_objects"
    PERSONAL_DATA = "personal_data"
    SHOWS_ANSWER = "shows_answer"
    TIER_TOO_SMALL = "tier_too_small"
    TIER_WITHHELD = "tier_withheld"
    NO_RECIPE = "no_recipe"
    ROW_TOO_LARGE = "row_too_large"
    ASSET_PRICES = "asset_prices"
    NO_ACCESS = "no_access"
    UNREACHABLE = "unreachable"
    DAMAGED = "damaged"
    NOT_FETCHED = "not_fetched"
    WORKER_DIED = "worker_died"
    TIMEOUT = "timeout"
    CRASHED = "crashed"


class Drop(Noun):
    """One refused dataset, proposal or task."""

    key: str
    """What was refused: `owner/slug`, or a task id."""
    source: str
    """`owner/slug` of the dataset it belongs to."""
    room: Room
    reason: str = Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")
    detail: Detail
    """One sentence: what, expected, found."""
    variant: str | None = None
    transient: bool = False
    """True when trying again may help; pending work, which stops a release."""
    value: float | None = None
    threshold: float | None = None
    evidence: Evidence = ""
    """Short verbatim proof."""


def dataset_drop(
    key: str, reason: Reason, detail: str, *, evidence: str = "", transient: bool = False
) -> Drop:
    """The refusal of a whole dataset, `owner/slug`, by extraction."""
    return Drop(
        key=key,
        source=key,
        room="extract",
        reason=reason,
        detail=detail,
        transient=transient,
        evidence=evidence,
    )
