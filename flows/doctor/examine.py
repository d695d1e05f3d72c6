"""`opendare doctor`: checks credentials, network, disk, sandbox and versions before a build does.

Enters the settings of a build and the environment of its user; leaves a table on standard output
and an exit code. The checks run side by side, each for a few seconds at most: one that raises or
hangs is itself broken and costs the others nothing. No check changes anything that it does not
undo, and no secret is shown (`masking.py`).

Not guaranteed: that a build succeeds where nothing is broken.
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from flows.doctor import disk, kaggle, machine, sandbox, versions
from flows.doctor.finding import Check, Finding, Setup, broken, print_findings
from flows.doctor.masking import one_line, secrets_in
from flows.settings import Settings

EXIT_WELL, EXIT_BROKEN = 0, 2
LIMIT_S = 8.0
"""For all checks, which run side by side."""

CHECKS = (
    Check("credentials", kaggle.credentials),
    Check("other variables", kaggle.other_variables),
    Check("Kaggle's API", kaggle.kaggle_api),
    Check("proxies", kaggle.proxies),
    Check("state folder", disk.state_folder),
    Check("release folder", disk.out_folder),
    Check("mirror folder", disk.mirror_folder),
    Check("locks and renames", disk.locks_and_renames),
    Check("memory", machine.memory),
    Check("cores", machine.cores),
    Check("resource limits", sandbox.limits),
    Check("death with parent", sandbox.death_with_parent),
    Check("namespaces", sandbox.namespaces),
    Check("Landlock", sandbox.landlock),
    Check("seccomp", sandbox.seccomp),
    Check("bubblewrap", sandbox.bubblewrap),
    Check("control groups", sandbox.cgroups),
    Check("Python", versions.python),
    Check("requirements", versions.requirements),
    Check("lock", versions.lock),
    Check("byte-code", versions.byte_code),
    Check("older libraries", versions.older_libraries),
)


def doctor(
    settings: Settings,
    environment: Mapping[str, str],
    ask_kaggle: Callable[[], str] | None = None,
) -> int:
    """Print what was found; returns the exit code of `opendare doctor`.

    `ask_kaggle` says in a few words that the API has answered, or raises `ServiceFault`.
    """
    findings = examine(CHECKS, Setup(settings, environment, ask_kaggle))
    secrets = secrets_in(environment)
    print_findings({name: _clean(finding, secrets) for name, finding in findings.items()})
    ill = any(finding.verdict == "broken" for finding in findings.values())
    return EXIT_BROKEN if ill else EXIT_WELL


def examine(checks: Sequence[Check], setup: Setup, limit_s: float = LIMIT_S) -> dict[str, Finding]:
    """What each check found, by its name, within about `limit_s` seconds."""
    answers = [_begin(check, setup) for check in checks]
    deadline = time.monotonic() + limit_s
    return {
        check.name: _await(answer, deadline, limit_s)
        for check, answer in zip(checks, answers, strict=True)
    }


def _begin(check: Check, setup: Setup) -> "queue.SimpleQueue[Finding]":
    """A thread that nobody waits for when the program ends."""
    answer: queue.SimpleQueue[Finding] = queue.SimpleQueue()
    threading.Thread(target=lambda: answer.put(_look(check, setup)), daemon=True).start()
    return answer


def _look(check: Check, setup: Setup) -> Finding:
    try:
        return check.look(setup)
    except BaseException as error:
        found = f"the check failed: {type(error).__name__}: {error}"
        return broken(found, "repair what the reason names; else this is a fault of the doctor")


def _await(answer: "queue.SimpleQueue[Finding]", deadline: float, limit_s: float) -> Finding:
    try:
        return answer.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        repair = "see what it waits for (a network, a remote disk), then ask again"
        return broken(f"no answer within {limit_s:g} s", repair)


def _clean(finding: Finding, secrets: tuple[str, ...]) -> Finding:
    found, repair = (one_line(text, secrets) for text in (finding.found, finding.repair))
    return replace(finding, found=found, repair=repair)
