"""What the store keeps that no build of the present configuration reaches: `opendare gc`.

A build that ends well notes everything that it asked the memory for. Takes settings; deletes
results and files that the last such build of these very settings did not touch, and says how much
that was. A store may serve several configurations: what only another one reaches is deleted too,
and costs that one the time to compute it again.
"""

import hashlib
import json
import sys

from extract.files.atomic import placed
from extract.files.file_lock import file_lock
from extract.memory import Memory
from extract.store import Store
from flows.exit_codes import EXIT_DONE, EXIT_REFUSED
from flows.resources import store_of
from flows.settings import Settings

_REACHED = "reached.json"


def note_reached(settings: Settings, memory: Memory) -> None:
    """Write down what a finished build asked for, in STATE."""
    names = {Store.name_of_result(one.stage, one.key) for one in memory.touched()}
    names |= {Store.name_of_file(sha256) for one in memory.touched() for sha256 in one.files}
    noted = {"settings": _identity(settings), "names": sorted(names)}
    path = settings.state / _REACHED
    with placed(path) as temporary:
        temporary.write_text(json.dumps(noted), encoding="utf-8")


def forget_reached(settings: Settings) -> None:
    """A build has begun: until one ends well, nobody knows what is reached."""
    (settings.state / _REACHED).unlink(missing_ok=True)


def collect_garbage(settings: Settings, *, dry_run: bool) -> int:
    """Delete what is not reached, and print how much; returns the exit code of `opendare gc`."""
    with file_lock(settings.state / "lock", f"builds in {settings.state}", "--state DIR"):
        reached = _reached(settings)
        if reached is None:
            print(
                f"no finished build of this configuration in {settings.state}: what it reaches is "
                "not known; run: opendare build with the same options, then opendare gc",
                file=sys.stderr,
            )
            return EXIT_REFUSED
        store = store_of(settings).opened()
        garbage = {n: size for n, size in store.names().items() if n not in reached}
        if not dry_run:
            for name in garbage:
                store.remove(name)
    done = "would delete" if dry_run else "deleted"
    megabytes = sum(garbage.values()) / 1e6
    print(f"{done} {len(garbage)} files of {megabytes:.1f} MB; {len(reached)} are reached and stay")
    return EXIT_DONE


def _reached(settings: Settings) -> frozenset[str] | None:
    """Names that the last finished build touched; None when it had other settings."""
    try:
        noted = json.loads((settings.state / _REACHED).read_text(encoding="utf-8"))
        return frozenset(noted["names"]) if noted["settings"] == _identity(settings) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _identity(settings: Settings) -> str:
    """Hash of what decides which results a build reaches."""
    deciding = settings.model_dump_json(exclude={"out", "state", "workers"})
    return hashlib.sha256(deciding.encode()).hexdigest()
