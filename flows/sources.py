"""Opens the source that the settings name."""

from extract.mirror import MirrorSource
from extract.source import Source
from flows.settings import Settings


def open_source(settings: Settings) -> Source:
    """The source of a build; the bundled tables are first written as a mirror into STATE."""
    if settings.source.kind == "mirror":
        assert settings.source.mirror is not None, "settings name the directory of a mirror"
        return MirrorSource(settings.source.mirror)
    from extract.bundled import write_bundled

    return MirrorSource(write_bundled(settings.state / "bundled"))
