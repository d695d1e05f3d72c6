"""The base of every noun that travels between rooms.

Rooms hand each other frozen, typed models and nothing else, so that what a room may rely on is
written down in one place and a typo in a field name is an error. This module does not protect
mutable values inside a model: nouns hold tuples, never lists or data frames.
"""

import hashlib

from pydantic import BaseModel, ConfigDict


class Noun(BaseModel):
    """A frozen model that refuses unknown fields and has a stable content hash."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def content_hash(self) -> str:
        """SHA-256 (hex) of the canonical JSON form; equal nouns have equal hashes."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
