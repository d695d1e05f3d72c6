"""Makes Prefect a guest: its files under STATE, its server on loopback, its voice low.

Prefect reads its settings once, when it is imported, so `quiet_environment` comes first. What a
user has set already is kept, a server of their own (`PREFECT_API_URL`) included; only the home is
always ours, because a profile in another one could point a build at a remote account. The temporary
server ends with the build, also with one that is killed by force (`parent_death.py`).
"""

import os
from pathlib import Path

from flows.runner import parent_death

_SETTINGS = {
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    # The default of 20 s is not enough on a loaded machine, and running out of it is fatal.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "240",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    # A flow that is interrupted or fails ends with words of ours.
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    "DO_NOT_TRACK": "1",
    # A helper of Python that outlives a killed build would tell of what the kill left behind.
    "PYTHONWARNINGS": "ignore::UserWarning:multiprocessing.resource_tracker",
    "UVICORN_LOOP": "flows.runner.parent_death:new_event_loop",
}
_LOOPBACK = ("127.0.0.1", "localhost")
_before: dict[str, str] = {}
"""The environment as the user set it, before anything was set for Prefect."""


def user_environment() -> dict[str, str]:
    """What the user has set: a source asks its service through the user's own proxies."""
    return dict(_before or os.environ)


def quiet_environment(state: Path) -> None:
    """Set the environment for Prefect; call it before anything imports Prefect.

    Makes `state/prefect` its home, and keeps loopback traffic away from a configured proxy. Raises
    `OSError` when `state` cannot be made.
    """
    if not _before:
        _before.update(os.environ)
    home = state.resolve() / "prefect"
    # Prefect would make its home, but not the folders above it.
    home.mkdir(parents=True, exist_ok=True)
    os.environ["PREFECT_HOME"] = str(home)
    os.environ.pop("PREFECT_PROFILE", None)
    os.environ[parent_death.PARENT] = str(os.getpid())
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_LOCAL_STORAGE_PATH", str(home / "storage"))
    for name in ("NO_PROXY", "no_proxy"):
        direct = [host for host in os.environ.get(name, "").split(",") if host]
        missing = [host for host in _LOOPBACK if host not in direct and "*" not in direct]
        os.environ[name] = ",".join([*direct, *missing])
