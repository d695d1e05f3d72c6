"""Finds the gates, so that adding one is one file in `gates/`."""

import importlib
import inspect
import pkgutil
from functools import cache

import validate.gates as folder
from validate.gate import Gate


@cache
def gate_classes() -> tuple[type[Gate], ...]:
    """All gates in the order in which they run: by `order`, then name."""
    found: dict[str, type[Gate]] = {}
    for info in pkgutil.iter_modules(folder.__path__):
        module = importlib.import_module(f"{folder.__name__}.{info.name}")
        for value in vars(module).values():
            if _is_gate(value) and value.__module__ == module.__name__:
                assert value.name not in found, f"two gates named {value.name}"
                found[value.name] = value
    return tuple(sorted(found.values(), key=lambda gate: (gate.order, gate.name)))


def _is_gate(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Gate) and not inspect.isabstract(value)
