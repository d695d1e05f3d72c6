"""Finds the kinds of sources, so that adding one is one file in this folder."""

from functools import cache

import extract.sources as folder
from extract.registry import concrete_subclasses
from extract.source import SourceKind


@cache
def source_kinds() -> dict[str, type[SourceKind]]:
    """The kinds of sources by their names, sorted."""
    return concrete_subclasses(folder, SourceKind, "kind")
