"""Opens the source that the settings name."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from extract.kaggle.catalogue import Outcome
from extract.mirror import MirrorSource
from extract.source import Source
from flows.progress import Counting, tell_line
from flows.settings import Settings

_ASKED_S = 5
"""A question of the doctor waits no longer for an answer."""


@contextmanager
def open_source(settings: Settings, environment: Mapping[str, str]) -> Iterator[Source]:
    """The source of a build; the bundled tables are first written as a mirror into STATE.

    `environment` is that of the user. A cache is held while its source is open; raises
    `CacheError` or `InUseError` when it cannot be.
    """
    if settings.source.kind == "kaggle":
        from extract.kaggle.cache import Cache
        from extract.kaggle.source import KaggleSource

        cache, shown = Cache(settings.cache), Counting("search", "datasets")
        config, licence = settings.source.kaggle, settings.read.licence
        with (
            cache.held(),
            KaggleSource(cache, environment, config, licence, shown, tell_line) as source,
        ):
            yield source
    elif settings.source.kind == "mirror":
        assert settings.source.mirror is not None, "settings name the directory of a mirror"
        yield MirrorSource(settings.source.mirror)
    else:
        from extract.bundled import write_bundled

        yield MirrorSource(write_bundled(settings.state / "bundled"))


def note_outcomes(source: Source, outcomes: Sequence[Outcome]) -> None:
    """Let a source with a catalogue know what became of its datasets."""
    from extract.kaggle.source import KaggleSource

    if isinstance(source, KaggleSource):
        source.catalogue.conclude(outcomes)


def kaggle_asked(settings: Settings, environment: Mapping[str, str]) -> Callable[[], str] | None:
    """What makes one small call to Kaggle and tells who is known there; None for other sources."""
    if settings.source.kind != "kaggle":
        return None

    def ask() -> str:
        from extract.kaggle.client import Kaggle

        config = settings.source.kaggle
        service = config.service.model_copy(update={"call_timeout_s": _ASKED_S})
        with (
            tempfile.TemporaryDirectory() as home,
            Kaggle(environment, Path(home), service, config.unzip) as kaggle,
        ):
            start = time.monotonic()
            name = kaggle.who_am_i()
            return f"Kaggle answered {name or 'nobody'} in {time.monotonic() - start:.1f} s"

    return ask
