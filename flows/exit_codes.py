"""How a command ends: its exit code, and the words for what a user can mend or has to run again.

0 done; 2 something the user can repair, with the message alone; 3 pending work, where the same
command continues. Anything else is a fault of this program or of the machine, and ends with its
traceback.
"""

import shlex
import sys
from collections.abc import Callable, Sequence

from extract.drop import Drop, Reason
from extract.files.file_lock import InUseError
from extract.kaggle.cache import CacheError
from extract.kaggle.catalogue import CatalogueBusyError, CatalogueError
from extract.kaggle.crawl import TruncatedError
from extract.kaggle.service import ServiceFault
from extract.store import StoreError
from publish.release import PublishError
from validate.environments.library_versions import EnvironmentMissing

EXIT_DONE, EXIT_REFUSED, EXIT_PENDING, EXIT_INTERRUPTED = 0, 2, 3, 130
_REPAIRABLE = (
    *(CacheError, CatalogueError, EnvironmentMissing, InUseError, PublishError, StoreError),
    TruncatedError,
)
"""What a user can mend; the message says how."""


def ended(run: Callable[[], int]) -> int:
    """The exit code of a command; what it could not even begin with is told."""
    try:
        return run()
    except ServiceFault as fault:
        if fault.kind != "transient":
            print(fault, file=sys.stderr)
            return EXIT_REFUSED
        print(f"{fault}; `opendare doctor` looks for the cause", file=sys.stderr)
        return _pending("nothing came")
    except CatalogueBusyError as error:
        print(error, file=sys.stderr)
        return _pending("nothing was read")
    except _REPAIRABLE as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED


def tell_pending(pending: Sequence[Drop], what: str) -> int:
    """Equal reasons are told once, with one key and how many more; returns the exit code.

    A user must help where a service takes no credentials; all else the same command may do.
    """
    by_reason: dict[str, list[str]] = {}
    for drop in pending:
        by_reason.setdefault(f"{drop.reason}: {drop.detail}", []).append(drop.key)
    for reason, keys in by_reason.items():
        more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
        print(f"pending: {keys[0]}{more}: {reason}", file=sys.stderr)
    code = _pending(f"{what}: {len(pending)} items are pending")
    denied = any(drop.reason == Reason.NO_ACCESS for drop in pending)
    return EXIT_REFUSED if denied else code


def this_command() -> str:
    """What the user has typed, to be typed again."""
    program = sys.argv[0] if sys.argv[0].endswith("opendare") else "opendare"
    return shlex.join([program, *sys.argv[1:]])


def _pending(what: str) -> int:
    print(f"{what}; continue with: {this_command()}", file=sys.stderr)
    return EXIT_PENDING
