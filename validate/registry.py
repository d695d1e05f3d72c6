"""Finds the gates, so that adding one is one file in `gates/`."""

from functools import cache

import validate.gates as folder
from extract.registry import concrete_subclasses
from validate.gate import Gate


@cache
def gate_classes() -> tuple[type[Gate], ...]:
    """All gates in the order in which they run: by `order`, then name."""
    gates = concrete_subclasses(folder, Gate, "name").values()
    return tuple(sorted(gates, key=lambda gate: (gate.order, gate.name)))
