"""Whether the environments of older libraries that the panel asks for are there or can be made.

Nothing is made here, and the package index is not asked: that is for the first build.
"""

import importlib.util
import os
import shutil
from pathlib import Path

from flows.doctor.finding import Finding, Setup, broken, ok, skipped
from validate import generations
from validate.generations import GenerationMissing, GenerationName, pins_of

_WITHOUT = "or leave it out: --set panel.generations=[]"


def older_libraries(setup: Setup) -> Finding:
    """All generations of `panel.generations`."""
    wanted = setup.settings.panel.generations
    if not wanted:
        return skipped("panel.generations is empty")
    for name in wanted:
        try:
            pins_of(name)
        except GenerationMissing:
            return broken(
                f"generation {name} cannot be made on this Python",
                f"use Python 3.11 to 3.13, {_WITHOUT}",
            )
    folder = setup.settings.workers.environments or setup.settings.state / "environments"
    missing = [name for name in wanted if not _is_made(name, folder)]
    if not missing:
        return ok(f"found in {folder}: {', '.join(wanted)}")
    if not _can_make(setup):
        repair = f"sudo apt install python3-venv, or install uv, {_WITHOUT}"
        return broken(f"{', '.join(missing)} cannot be made: neither uv nor ensurepip", repair)
    return ok(f"{', '.join(missing)} will be made at the first build, from the package index")


def _is_made(name: GenerationName, folder: Path) -> bool:
    place = folder / generations._key(pins_of(name))
    python = place / "bin" / "python"
    return (place / generations._MARKER).is_file() and os.access(python, os.X_OK)


def _can_make(setup: Setup) -> bool:
    path = setup.environment.get("PATH", os.defpath)
    return shutil.which("uv", path=path) is not None or bool(importlib.util.find_spec("ensurepip"))
