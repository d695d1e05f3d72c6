"""Opens the source that the settings name."""

from collections.abc import Mapping
from contextlib import AbstractContextManager

from extract.source import Opening, Source
from flows.progress import Counting, tell_line
from flows.settings import Settings


def open_source(
    settings: Settings, environment: Mapping[str, str]
) -> AbstractContextManager[Source]:
    """The source of a build; `environment` is that of the user.

    Entering raises what a user can repair, such as `CacheError` or `InUseError`.
    """
    opening = Opening(
        folder=settings.source_folder,
        licence=settings.read.licence,
        environment=environment,
        on_shown=Counting("search", "datasets"),
        on_pause=tell_line,
    )
    return settings.source.chosen.open(opening)
