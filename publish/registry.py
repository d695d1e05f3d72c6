"""Finds the writers of a release, so that adding one is one file in a folder of this room."""

import publish as room
from extract.registry import concrete_subclasses
from publish.writer import ReleaseWriter


def release_writers() -> tuple[ReleaseWriter, ...]:
    """All writers in the order in which they run: by `order`, then name; never by file system."""
    # No cache: a test adds a writer, and a release asks twice at most.
    classes = concrete_subclasses(room, ReleaseWriter, "name").values()
    return tuple(writer() for writer in sorted(classes, key=lambda cls: (cls.order, cls.name)))
