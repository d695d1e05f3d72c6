"""Finds the classes of a kind in a package, so that adding one is adding one file.

Takes a package and a base class; returns every concrete subclass that a module of the package, or
of a package below it, defines, by the name it goes under. Not guaranteed: an order that means
something; who needs one sorts.
"""

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any


def concrete_subclasses(package: ModuleType, base: type, name: str) -> dict[str, type[Any]]:
    """Subclasses of `base` by the value of their attribute `name`, in the order of those values."""
    classes: dict[str, type[Any]] = {}
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            # What a module only imports is found where it is defined.
            if _is_concrete(value, base) and value.__module__ == module.__name__:
                label = getattr(value, name)
                assert label not in classes, f"two classes have the {name} {label!r}"
                classes[label] = value
    return dict(sorted(classes.items()))


def _is_concrete(value: object, base: type) -> bool:
    return isinstance(value, type) and issubclass(value, base) and not inspect.isabstract(value)
