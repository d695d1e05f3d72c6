"""Finds the writers of a release, so that adding one is one file in a folder of this room."""

import importlib
import inspect
import pkgutil

import publish as room
from publish.writer import ReleaseWriter


def writer_classes() -> tuple[type[ReleaseWriter], ...]:
    """All writers in the order in which they run: by `order`, then name; never by file system."""
    classes: set[type[ReleaseWriter]] = set()
    for info in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
        members = vars(importlib.import_module(info.name)).values()
        classes |= {member for member in members if _is_writer(member)}
    return tuple(sorted(classes, key=lambda writer: (writer.order, writer.__name__)))


def _is_writer(member: object) -> bool:
    is_class = isinstance(member, type) and issubclass(member, ReleaseWriter)
    return is_class and not inspect.isabstract(member)
