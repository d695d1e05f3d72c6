"""Whether this interpreter and its libraries are those that a build was made for, older ones too.

Only the records of installed packages are read; nothing is imported for it. Environments of older
libraries are looked for and not made, and the package index is not asked: that is for the first
build.
"""

import importlib.util
import os
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from flows.doctor.diagnosis import Diagnosis, Setup, broken, ok, skipped, warning
from validate.environments.library_versions import EnvironmentMissing, is_made, pins_of

_ROOT = Path(__file__).resolve().parents[2]
LOCK = _ROOT / "requirements.lock"
_OLDEST, _NEWEST = (3, 11), (3, 13)
_NAMED = 5
"""Packages that are named; of more, the number is given."""
_UNCOMPILED = 0.1
"""Share of modules without byte-code from which starts are slow."""
_COSTS = "imports take two to three times as long"
_WITHOUT = "or leave it out: --set environments.library_versions=[]"


def python(setup: Setup) -> Diagnosis:
    """The range that the project is tested with."""
    running = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
    repair = "make PYTHON=/path/to/python3.13 .venv/.installed, after rm -rf .venv"
    if sys.version_info[:2] < _OLDEST:
        return broken(f"{running} is older than 3.11", repair)
    if sys.version_info[:2] > _NEWEST:
        return warning(f"{running} is newer than what was tried (3.11 to 3.13)", repair)
    return ok(running)


def requirements(setup: Setup) -> Diagnosis:
    """What the project declares, as installed."""
    try:
        declared = [Requirement(line) for line in requires("opendare") or ()]
    except PackageNotFoundError:
        return broken("opendare itself is not installed", _reinstall())
    needed = [need for need in declared if need.marker is None or need.marker.evaluate()]
    wrong = list(_differences(needed))
    if wrong:
        return broken(f"{len(wrong)} not satisfied: {_some(wrong)}", _reinstall())
    return ok(f"all {len(needed)} are satisfied")


def lock(setup: Setup) -> Diagnosis:
    """The exact versions that releases are made with."""
    if not LOCK.is_file():
        return skipped("no requirements.lock here")
    pins = [pin for pin in _pins() if pin.marker is None or pin.marker.evaluate()]
    differing = list(_differences(pins))
    if differing:
        return warning(f"{len(differing)} differ from the lock: {_some(differing)}", _reinstall())
    return ok(f"{len(pins)} packages as in requirements.lock")


def byte_code(setup: Setup) -> Diagnosis:
    """Whether what has been imported so far had to be compiled first."""
    libraries = tuple({sysconfig.get_path(name) for name in ("purelib", "platlib")})
    specs = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
    sources = [s for s in specs if isinstance(s, ModuleSpec) and _is_source(s, libraries)]
    bare = [spec for spec in sources if not os.path.exists(spec.cached or "")]
    if len(bare) <= _UNCOMPILED * len(sources):
        return ok(f"{len(sources) - len(bare)} of {len(sources)} loaded modules are compiled")
    never = " (PYTHONDONTWRITEBYTECODE is set)" if sys.dont_write_bytecode else ""
    observed = f"{len(bare)} of {len(sources)} loaded modules are not compiled{never}: {_COSTS}"
    compiling = shlex.join([sys.executable, "-m", "compileall", "-q", *sorted(libraries)])
    return warning(observed, f"unset PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX; {compiling}")


def older_libraries(setup: Setup) -> Diagnosis:
    """Generations of the environment matrix, which are there or can be made."""
    wanted = setup.settings.environments.library_versions
    if not wanted:
        return skipped("environments.library_versions is empty")
    for name in wanted:
        try:
            pins_of(name)
        except EnvironmentMissing:
            return broken(
                f"libraries {name} cannot be made on this Python",
                f"use Python 3.11 to 3.13, {_WITHOUT}",
            )
    folder = setup.settings.workers.environments or setup.settings.state / "environments"
    missing = [name for name in wanted if not is_made(name, folder)]
    if not missing:
        return ok(f"found in {folder}: {', '.join(wanted)}")
    if not _can_make(setup):
        repair = f"sudo apt install python3-venv, or install uv, {_WITHOUT}"
        return broken(f"{', '.join(missing)} cannot be made: neither uv nor ensurepip", repair)
    return ok(f"{', '.join(missing)} will be made at the first build, from the package index")


def _is_source(spec: ModuleSpec, libraries: tuple[str, ...]) -> bool:
    origin = spec.origin or ""
    return spec.has_location and origin.endswith(".py") and origin.startswith(libraries)


def _pins() -> Iterable[Requirement]:
    """Lines of the lock; those with hashes are indented."""
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if line[:1].isalnum():
            yield Requirement(line.rstrip("\\ "))


def _differences(needed: Iterable[Requirement]) -> Iterable[str]:
    """What is absent, or not of a version that is needed."""
    for need in needed:
        try:
            observed = version(need.name)
        except PackageNotFoundError:
            yield f"{need.name} is absent (needed: {need.specifier})"
            continue
        if not need.specifier.contains(observed, prereleases=True):
            yield f"{need.name} {observed} (needed: {need.specifier})"


def _some(names: list[str]) -> str:
    more = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _reinstall() -> str:
    if Path(sys.prefix).resolve() == (_ROOT / ".venv").resolve():
        return "rm -f .venv/.installed && make .venv/.installed"
    install = "-m pip install --require-hashes --no-deps -r requirements.lock"
    python = shlex.quote(sys.executable)
    return f"use .venv/bin/opendare, which make sets up; or: {python} {install}"


def _can_make(setup: Setup) -> bool:
    path = setup.environment.get("PATH", os.defpath)
    return shutil.which("uv", path=path) is not None or bool(importlib.util.find_spec("ensurepip"))
