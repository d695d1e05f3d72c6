"""The list of everything in a release, written last: a folder without it is not a release.

Takes a finished folder; writes `manifest.json` with path, bytes and SHA-256 of every other file.
What a user restored from recipes is the user's and no part of the release. The list protects from
accidents, not from somebody who rewrites the manifest too.
"""

import json
import re
from pathlib import Path

from extract.store import sha256_of
from publish.release import ReleaseFile

MANIFEST = "manifest.json"
_FORMAT = "opendare-release-1"
_RESTORED = re.compile(r"data/(files|answers)/restored-[^/]+\.parquet")


def is_restored(name: str) -> bool:
    """Whether a file, by its path in the release, was made by `opendare restore`."""
    return _RESTORED.fullmatch(name) is not None


def list_files(folder: Path) -> tuple[ReleaseFile, ...]:
    """All files of a folder but manifest, byte code and what was restored, by path, hashed anew."""
    files = []
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        ours = name != MANIFEST and "__pycache__" not in path.parts and not is_restored(name)
        if path.is_file() and ours:
            size = path.stat().st_size
            files.append(ReleaseFile(path=name, sha256=sha256_of(path), bytes=size))
    return tuple(sorted(files, key=lambda file: file.path))


def write_manifest(folder: Path, release: str) -> tuple[ReleaseFile, ...]:
    """Hash all files, write the manifest and give its entries."""
    files = list_files(folder)
    body = {"format": _FORMAT, "release": release, "files": [file.model_dump() for file in files]}
    (folder / MANIFEST).write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    return files


def read_manifest(folder: Path) -> tuple[ReleaseFile, ...] | None:
    """The entries, or None when the folder holds no manifest of ours."""
    try:
        body = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if body["format"] != _FORMAT:
            return None
        return tuple(ReleaseFile.model_validate(entry) for entry in body["files"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
