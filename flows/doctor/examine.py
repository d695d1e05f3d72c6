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
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from flows.doctor import disk, kaggle, machine, sandbox, versions
from flows.doctor.diagnosis import Diagnosis, HealthCheck, Setup, broken, print_diagnoses
from flows.doctor.masking import masked_line, secrets_in
from flows.settings import Settings

EXIT_WELL, EXIT_BROKEN = 0, 2
LIMIT_S = 8.0
"""For all checks, which run side by side: longer than each probe and the question to a service."""

CHECKS = (
    HealthCheck("credentials", kaggle.credentials),
    HealthCheck("other variables", kaggle.other_variables),
    HealthCheck("Kaggle's API", kaggle.kaggle_api),
    HealthCheck("proxies", kaggle.proxies),
    HealthCheck("source", disk.source_settings),
    HealthCheck("state folder", disk.state_folder),
    HealthCheck("release folder", disk.out_folder),
    HealthCheck("mirror folder", disk.mirror_folder),
    HealthCheck("locks and renames", disk.locks_and_renames),
    HealthCheck("memory", machine.memory),
    HealthCheck("cores", machine.cores),
    HealthCheck("resource limits", sandbox.limits),
    HealthCheck("death with parent", sandbox.death_with_parent),
    HealthCheck("namespaces", sandbox.namespaces),
    HealthCheck("Landlock", sandbox.landlock),
    HealthCheck("seccomp", sandbox.seccomp),
    HealthCheck("bubblewrap", sandbox.bubblewrap),
    HealthCheck("control groups", sandbox.cgroups),
    HealthCheck("Python", versions.python),
    HealthCheck("requirements", versions.requirements),
    HealthCheck("lock", versions.lock),
    HealthCheck("byte-code", versions.byte_code),
    HealthCheck("older libraries", versions.older_libraries),
)


def doctor(settings: Settings, environment: Mapping[str, str]) -> int:
    """Print what was found; returns the exit code of `opendare doctor`."""
    source = settings.source.chosen
    ask = partial(source.ask, environment) if source.service else None
    diagnoses = examine(CHECKS, Setup(settings, environment, ask))
    secrets = secrets_in(environment)
    print_diagnoses({name: _clean(diagnosis, secrets) for name, diagnosis in diagnoses.items()})
    ill = any(diagnosis.severity == "broken" for diagnosis in diagnoses.values())
    return EXIT_BROKEN if ill else EXIT_WELL


def examine(
    checks: Sequence[HealthCheck], setup: Setup, limit_s: float = LIMIT_S
) -> dict[str, Diagnosis]:
    """What each check observed, by its name, within about `limit_s` seconds."""
    answers = [_begin(check, setup) for check in checks]
    deadline = time.monotonic() + limit_s
    return {
        check.name: _await(answer, deadline, limit_s)
        for check, answer in zip(checks, answers, strict=True)
    }


def _begin(check: HealthCheck, setup: Setup) -> "queue.SimpleQueue[Diagnosis]":
    """A thread that nobody waits for when the program ends."""
    answer: queue.SimpleQueue[Diagnosis] = queue.SimpleQueue()
    threading.Thread(target=lambda: answer.put(_look(check, setup)), daemon=True).start()
    return answer


def _look(check: HealthCheck, setup: Setup) -> Diagnosis:
    try:
        return check.look(setup)
    except BaseException as error:
        observed = f"the check failed: {type(error).__name__}: {error}"
        return broken(observed, "repair what the reason names; else this is a fault of the doctor")


def _await(answer: "queue.SimpleQueue[Diagnosis]", deadline: float, limit_s: float) -> Diagnosis:
    try:
        return answer.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        repair = "see what it waits for (a network, a remote disk), then ask again"
        return broken(f"no answer within {limit_s:g} s", repair)


def _clean(diagnosis: Diagnosis, secrets: tuple[str, ...]) -> Diagnosis:
    observed, repair = (
        masked_line(text, secrets) for text in (diagnosis.observed, diagnosis.repair)
    )
    return replace(diagnosis, observed=observed, repair=repair)
