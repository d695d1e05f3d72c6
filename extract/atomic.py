"""Writes aside and renames into place, so that a reader sees all of a file or nothing.

Takes the final place; gives a temporary path beside it, on the same disk, since a rename between disks is
no rename.

Not guaranteed: survival of a power cut, since nothing is flushed to the disk by force.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def placed(place: Path) -> Iterator[Path]:
    """A temporary file beside `place` that is renamed to it when the block ends well."""
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=".unfinished-")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.replace(place)
    finally:
        temporary.unlink(missing_ok=True)
