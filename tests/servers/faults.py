"""What can go wrong between a client and the loopback Kaggle, and when.

Enters: a frozen `Faults`. Leaves: for each call the name of one fault, or none. Passing faults come
at random and go away: `most` in a row, then the same call succeeds. They are drawn from the seed,
the call, its dataset or page, and how often that was asked before, so that the order of threads
does not matter. Lasting faults stay.

Not guaranteed: that a fault is visible. A newer version changes nothing for a pinned download.
"""

import random
import threading
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Self

STATUSES = ("429", "429-seconds", "429-date", "429-nested", "500", "502", "503", "504")
"""Refusals; 429 without `Retry-After`, with it in seconds or as a date, or with a nested body."""

_ANYWHERE = (*STATUSES, "reset", "hang", "html")
_WITH_BODY = ("cut", "drip")
_PAGES = ("repeated-token", "empty-page")
_OBJECTS = ("corrupt", "short", "truncated", "stale")

WHERE: Mapping[str, tuple[str, ...]] = {
    "ListDatasets": (*_ANYWHERE, *_WITH_BODY, *_PAGES),
    "ListDatasetFiles": (*_ANYWHERE, *_WITH_BODY, *_PAGES),
    "GetDatasetMetadata": (*_ANYWHERE, *_WITH_BODY),
    "GetDatasetStatus": (*_ANYWHERE, *_WITH_BODY),
    "GetDataset": (*_ANYWHERE, *_WITH_BODY),
    "DownloadDataset": (*_ANYWHERE, "new-version"),
    "Storage": (*_ANYWHERE, *_WITH_BODY, *_OBJECTS),
    "IntrospectToken": (*_ANYWHERE, *_WITH_BODY),
}
"""The kinds of fault that each call can have.

`reset` the connection, `hang` without an answer, `html` with 200, `cut` in the middle of the body,
`drip` a byte at a time; a `repeated-token`, an `empty-page` with a next one; a `corrupt` object of
the right length, one sent `short` of what it is (its ETag, less Content-Length), one `truncated`
with an ETag of its own, a `stale` address (403); a `new-version` since the list was read.
"""

KINDS = tuple(dict.fromkeys(kind for kinds in WHERE.values() for kind in kinds))


@dataclass(frozen=True)
class Faults:
    """Which faults a server has; none unless told."""

    lasting: Mapping[str, int | str] = field(default_factory=dict)
    """By call and dataset (`DownloadDataset ann/churn`), call, dataset, or `*`; the first of these
    counts. An HTTP status from 400 on, or a kind, which touches only calls that can have it."""
    rate: float = 0.0
    """Share of calls with a passing fault."""
    most: int = 2
    """Passing faults in a row for one call on one dataset or page."""
    seed: int = 0
    kinds: Collection[str] = KINDS
    """What passing faults are drawn from."""
    drip_s: float = 30.0
    """After this long a dripping body ends, whole or not."""
    hang_s: float = 30.0
    """After this long a call without an answer is closed."""

    def __post_init__(self) -> None:
        """Refuses what could never happen: a test with such a fault would prove nothing."""
        for kind in self.kinds:
            if kind not in KINDS:
                raise ValueError(f"expected kinds of {KINDS}, found {kind!r}")
        for key, fault in self.lasting.items():
            call = key.partition(" ")[0]
            if call not in WHERE and call != "*" and "/" not in call:
                raise ValueError(f"expected a call of {tuple(WHERE)}, a dataset or *, found {key}")
            if not _is_status(fault) and fault not in WHERE.get(call, KINDS):
                raise ValueError(f"{key} cannot have the fault {fault!r}")

    @classmethod
    def passing(
        cls,
        seed: int,
        rate: float = 0.5,
        most: int = 2,
        *,
        kinds: Collection[str] = KINDS,
        drip_s: float = 30.0,
        hang_s: float = 30.0,
    ) -> Self:
        """Every passing fault, at random."""
        return cls(seed=seed, rate=rate, most=most, kinds=kinds, drip_s=drip_s, hang_s=hang_s)


class Fate:
    """Draws the fault of each call; safe to ask from several threads."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._lock = threading.Lock()
        self._asked: Counter[tuple[str, str]] = Counter()
        self._in_a_row: Counter[tuple[str, str]] = Counter()

    def draw(self, call: str, ref: str, subject: str) -> str:
        """The fault of the next call on a subject (dataset, page or address), empty for none."""
        for key in (f"{call} {ref}", call, ref, "*"):
            if key in self._faults.lasting:
                fault = self._faults.lasting[key]
                return str(fault) if _is_status(fault) or fault in WHERE.get(call, ()) else ""
        return self._passing(call, subject)

    def _passing(self, call: str, subject: str) -> str:
        kinds = [kind for kind in WHERE.get(call, ()) if kind in self._faults.kinds]
        if call == "IntrospectToken":  # `import kaggle` asks it, and waits without limit
            kinds = [kind for kind in kinds if kind not in ("hang", "drip")]
        with self._lock:
            place = (call, subject)
            self._asked[place] += 1
            drawn = random.Random(f"{self._faults.seed} {place} {self._asked[place]}")
            spared = drawn.random() >= self._faults.rate or not kinds
            if spared or self._in_a_row[place] >= self._faults.most:
                self._in_a_row[place] = 0
                return ""
            self._in_a_row[place] += 1
            return drawn.choice(kinds)


def _is_status(fault: int | str) -> bool:
    return isinstance(fault, int) and 400 <= fault < 600
