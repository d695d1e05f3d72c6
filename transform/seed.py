"""Seeds and short names from texts, so that nothing random depends on a clock or an order of work.

Takes the texts that a choice may depend on; returns the same digest or seed on every machine. Not
guaranteed: secrecy; whoever knows the texts knows the seed.
"""

import hashlib
from collections.abc import Sequence


def derive_seed(*keys: str) -> int:
    """A 64-bit seed that depends on the keys alone."""
    return int(joint_digest(keys)[:16], 16)


def joint_digest(parts: Sequence[str]) -> str:
    """SHA-256 of several texts, where (a, b) and (ab) differ."""
    # A separator that no name holds.
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
