"""Kaggle as a source: what is taken from it, and how it is opened.

The settings of the source alone, so that reading them costs nothing: the client, the cache and the
catalogue are imported when it is opened or asked.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from extract.kaggle.limits import WORKER_MEMORY_MB, KaggleLimits, ServiceConfig
from extract.kaggle.queries import Wanted
from extract.source import Flaw, Opening, Source, SourceKind

_QUESTION_S = 5
"""The doctor's question waits no longer for an answer."""


class KaggleConfig(SourceKind, Wanted, ServiceConfig):
    """What is taken from Kaggle, and how."""

    kind: ClassVar[str] = "kaggle"
    service: ClassVar[str] = "Kaggle"
    worker_memory_mb: ClassVar[int] = WORKER_MEMORY_MB
    empty_advice: ClassVar[str] = "no dataset found: widen source.kaggle.searches"

    @property
    def n_connections(self) -> int:
        """As the settings say."""
        return self.connections

    def limits(self) -> KaggleLimits:
        """The limits with those numbers that are settings."""
        return KaggleLimits(**self.model_dump(include=set(ServiceConfig.model_fields)))

    def flaw(self, mirror: Path | None) -> Flaw | None:
        """Something must be wanted; a folder that is not there is made."""
        if self.searches or self.datasets:
            return None
        repair = "name some, see configs/kaggle.yaml"
        return Flaw("source.kaggle has neither searches nor datasets", repair)

    @contextmanager
    def open(self, opening: Opening) -> Iterator[Source]:
        """Held against other processes that would fetch into the same folder.

        Raises `CacheError` or `InUseError` when it cannot be.
        """
        from extract.kaggle.cache import Cache
        from extract.kaggle.source import KaggleSource

        cache = Cache(opening.folder)
        with cache.held(), KaggleSource(cache, opening, self, self.limits()) as source:
            yield source

    def ask(self, environment: Mapping[str, str]) -> str:
        """Who is known there, and how long the answer took."""
        from extract.kaggle.client import Kaggle

        limits = self.limits().model_copy(update={"call_timeout_s": _QUESTION_S})
        with (
            tempfile.TemporaryDirectory() as home,
            Kaggle(environment, Path(home), limits) as kaggle,
        ):
            start = time.monotonic()
            name = kaggle.who_am_i()
            return f"Kaggle answered {name or 'nobody'} in {time.monotonic() - start:.1f} s"
