"""The doctor: every severity is reached, no secret is shown, nothing hangs and nothing is left."""

import base64
import compileall
import importlib
import io
import json
import os
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from extract.kaggle.credentials import LOGIN_HELP
from extract.kaggle.limits import WORKER_MEMORY_MB
from extract.kaggle.service import FaultKind, ServiceFault
from flows.doctor import control_groups, disk, kaggle, machine, sandbox, versions
from flows.doctor.diagnosis import (
    Diagnosis,
    HealthCheck,
    Setup,
    Severity,
    broken,
    ok,
    print_diagnoses,
    skipped,
    warning,
)
from flows.doctor.examine import CHECKS, examine
from flows.doctor.masking import MASK, masked_line, secrets_in
from flows.settings import Settings, load
from validate.environments import library_versions

ROOT = Path(__file__).parent.parent.parent
BUNDLED = ROOT / "configs" / "bundled.yaml"
KEY = "0123456789abcdef0123456789abcdef"
TOKEN = "KGAT_s3cr3t/with+odd=letters"
ELSEWHERE = {"KAGGLE_API_ENVIRONMENT": "LOCALHOST"}
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="tries what Linux has")


def settings(*assignments: str, kaggle: bool = False, **named: Path) -> Settings:
    loaded = load(BUNDLED, assignments, {name: str(path) for name, path in named.items()})
    if not kaggle:
        return loaded
    source = loaded.source.model_copy(update={"kind": "kaggle"})
    return loaded.model_copy(update={"source": source})


def setup(*assignments: str, **named: Path) -> Setup:
    return Setup(settings(*assignments, **named), {})


def of_kaggle(ask: Callable[[], str] | None = None, **environment: str) -> Setup:
    return Setup(settings(kaggle=True), environment, ask)


# --- Kaggle -----------------------------------------------------------------------------------


def test_without_kaggle_nobody_logs_in() -> None:
    diagnoses = examine(CHECKS[:4], Setup(settings(), {"KAGGLE_KEY": KEY}))
    assert {diagnosis.severity for diagnosis in diagnoses.values()} == {"skipped"}
    assert diagnoses["credentials"].observed == "source.kind is bundled; nothing to log in to"


@pytest.mark.parametrize(
    ("environment", "severity", "said"),
    [
        ({}, "broken", "neither"),
        ({"KAGGLE_USERNAME": "", "KAGGLE_KEY": ""}, "broken", "neither"),
        ({"KAGGLE_USERNAME": "ann"}, "broken", "KAGGLE_USERNAME is set without KAGGLE_KEY"),
        ({"KAGGLE_KEY": KEY}, "broken", "KAGGLE_KEY is set without KAGGLE_USERNAME"),
        ({"KAGGLE_USERNAME": "ann", "KAGGLE_KEY": KEY}, "ok", "a user name and a key"),
        ({"KAGGLE_USERNAME": "ann", "KAGGLE_KEY": f"{KEY}\n"}, "broken", "KAGGLE_KEY has blanks"),
        ({"KAGGLE_USERNAME": '"ann"', "KAGGLE_KEY": KEY}, "broken", "KAGGLE_USERNAME has quotes"),
        ({"KAGGLE_USERNAME": "  ", "KAGGLE_KEY": KEY}, "broken", "KAGGLE_USERNAME is blank"),
        ({"KAGGLE_USERNAME": "ann", "KAGGLE_KEY": "a\x1bb"}, "broken", "no credential has"),
        ({"KAGGLE_USERNAME": KEY, "KAGGLE_KEY": "ann"}, "broken", "KAGGLE_USERNAME holds a key"),
        ({"KAGGLE_API_TOKEN": TOKEN}, "ok", "a token in KAGGLE_API_TOKEN"),
        ({"KAGGLE_API_TOKEN": f"'{TOKEN}'"}, "broken", "has quotes"),
        ({"KAGGLE_API_TOKEN": '{"username":"ann"}'}, "broken", "whole kaggle.json"),
        ({"KAGGLE_API_TOKEN": "~/token"}, "broken", "a file that is not there"),
        ({"KAGGLE_API_TOKEN": "/"}, "broken", "the name of a folder"),
        ({"KAGGLE_API_TOKEN": "/dev/null"}, "broken", "what is no file"),
    ],
)
def test_credentials(environment: Mapping[str, str], severity: Severity, said: str) -> None:
    diagnosis = kaggle.credentials(of_kaggle(**environment))
    assert diagnosis.severity == severity
    assert said in diagnosis.observed
    assert KEY not in diagnosis.observed + diagnosis.repair
    assert (severity == "broken") == bool(diagnosis.repair)


def test_a_token_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert kaggle.credentials(of_kaggle(KAGGLE_API_TOKEN=str(file))).severity == "ok"
    file.write_text("\n")
    diagnosis = kaggle.credentials(of_kaggle(KAGGLE_API_TOKEN=str(file)))
    assert (diagnosis.severity, diagnosis.observed) == (
        "broken",
        "the file of KAGGLE_API_TOKEN is blank",
    )


def test_variables_that_mislead_are_named_and_never_quoted() -> None:
    harmless = {"KAGGLE_KEY": KEY, "KAGGLE_CONFIG_DIR": "/x", "VERBOSE": "0"}
    assert kaggle.other_variables(of_kaggle(**harmless)).severity == "ok"
    odd = {"KAGGLE_TOKEN": TOKEN, "VERBOSE": "1", "KAGGLE_A;b": "", **ELSEWHERE}
    diagnosis = kaggle.other_variables(of_kaggle(**odd))
    assert diagnosis.severity == "warning"
    assert "VERBOSE makes Kaggle's own command line print credentials" in diagnosis.observed
    assert diagnosis.repair == "unset KAGGLE_API_ENVIRONMENT KAGGLE_TOKEN 'KAGGLE_A;b' VERBOSE"
    assert TOKEN not in diagnosis.observed


@pytest.mark.parametrize(
    ("value", "proxies", "said"),
    [
        ("LOCALHOST", {}, "makes a build ask http://localhost"),
        ("LOCALHOST", {"https_proxy": "http://p:1"}, "makes a build ask http://localhost"),
        (
            "LOCALHOST",
            {"ALL_PROXY": "http://p:1", "http_proxy": "http://ann:pa55w0rd@p:2"},
            "makes a build ask http://localhost, through http_proxy",
        ),
        ("LOCALHOST", {"ALL_PROXY": "http://p:1"}, "ask http://localhost, through ALL_PROXY"),
        ("QA", {}, "none that misleads the client"),
        ("", {}, "none that misleads the client"),
        ("PROD", {"http_proxy": "http://p:1"}, "none that misleads the client"),
    ],
)
def test_another_service_is_named(value: str, proxies: Mapping[str, str], said: str) -> None:
    diagnosis = kaggle.other_variables(of_kaggle(KAGGLE_API_ENVIRONMENT=value, **proxies))
    assert diagnosis.severity == ("warning" if value == "LOCALHOST" else "ok")
    assert diagnosis.observed.endswith(said)


def raising(error: BaseException) -> Callable[[], str]:
    def ask() -> str:
        raise error

    return ask


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (None, skipped("not asked")),
        (lambda: "answered in 0.4 s as ann", ok("answered in 0.4 s as ann")),
    ],
)
def test_kaggle_is_asked(ask: Callable[[], str] | None, expected: Diagnosis) -> None:
    assert kaggle.kaggle_api(of_kaggle(ask)) == expected


@pytest.mark.parametrize(
    ("kind", "environment", "repair"),
    [
        ("no_access", {}, LOGIN_HELP),
        ("transient", {}, "see that https://api.kaggle.com is reachable"),
        ("transient", ELSEWHERE, "see that http://localhost is reachable"),
        ("malformed", {}, "try again later"),
        ("unavailable", {}, "try again later"),
    ],
)
def test_each_fault_has_its_repair(
    kind: FaultKind, environment: Mapping[str, str], repair: str
) -> None:
    diagnosis = kaggle.kaggle_api(of_kaggle(raising(ServiceFault(kind, "HTTP 1")), **environment))
    assert (diagnosis.severity, diagnosis.observed) == ("broken", "HTTP 1")
    assert diagnosis.repair.startswith(repair)


def test_who_has_no_credentials_is_told_once_how_to_get_them() -> None:
    """By the real call, which ends before anything is asked."""
    diagnosis = kaggle.kaggle_api(of_kaggle(partial(settings(kaggle=True).source.chosen.ask, {})))
    assert diagnosis == broken(
        "Kaggle needs credentials in the environment, found nothing", LOGIN_HELP
    )


@pytest.mark.parametrize("error", [OSError("unreachable"), SystemExit(1)])
def test_who_cannot_be_asked_is_broken(error: BaseException) -> None:
    name, its = "Kaggle's API", of_kaggle(raising(error))
    diagnosis = examine([HealthCheck(name, kaggle.kaggle_api)], its)[name]
    assert diagnosis.severity == "broken"
    assert diagnosis.observed == f"the check failed: {type(error).__name__}: {error}"


@pytest.mark.parametrize(
    ("value", "severity", "said"),
    [
        ("http://proxy.example:3128/", "ok", "HTTPS_PROXY leads to proxy.example:3128"),
        ("http://ann:pa55w0rd@proxy.example:3128", "ok", "leads to proxy.example:3128"),
        ("socks5h://[::1]:1080", "ok", "leads to [::1]:1080"),
        ("http://ann:pa55w0rd/@proxy.example", "warning", "no address of a proxy"),
        ("http://proxy.example/?pa55w0rd", "warning", "no address of a proxy"),
        ("", "ok", "none"),
    ],
)
def test_of_a_proxy_only_its_place_is_said(value: str, severity: Severity, said: str) -> None:
    diagnosis = kaggle.proxies(of_kaggle(HTTPS_PROXY=value))
    assert diagnosis.severity == severity
    assert diagnosis.observed.endswith(said)
    assert "pa55w0rd" not in diagnosis.observed


# --- secrets ----------------------------------------------------------------------------------


def test_a_secret_is_hidden_in_every_form_in_which_it_is_sent(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("in_the_file")
    environment = {
        "KAGGLE_USERNAME": "ann",
        "KAGGLE_KEY": f"'{KEY}'\n",
        "KAGGLE_TOKEN": TOKEN,
        "KAGGLE_API_TOKEN": str(file),
        "PATH": "/usr/bin",
    }
    basic = base64.b64encode(f"ann:{KEY}".encode()).decode()
    said = ["ann", KEY, TOKEN, quote(TOKEN, safe=""), basic, "in_the_file", "/usr/bin"]
    masked = masked_line(" | ".join(said), secrets_in(environment))
    assert masked == f"ann | {MASK} | {MASK} | {MASK} | {MASK} | {MASK} | /usr/bin"


def test_what_looks_like_a_secret_is_hidden_too() -> None:
    text = "https://ann:pass@host/x?Signature=abc end\nAuthorization: Bearer abc\x1b[31m"
    assert masked_line(text, ()) == "https://***@host/x?*** end Authorization: Bearer ***"
    assert masked_line("a\x1b[31m\u202eb", ()) == "a?[31m?b"
    assert len(masked_line("a" * 10_000, ())) < 1000


# --- disk -------------------------------------------------------------------------------------


def test_folders_that_will_be_made_leave_no_trace(tmp_path: Path) -> None:
    its = setup(state=tmp_path / "deep" / "state", out=tmp_path / "out" / "release")
    for look in (disk.state_folder, disk.out_folder, disk.locks_and_renames):
        diagnosis = look(its)
        assert diagnosis.severity in ("ok", "warning"), diagnosis
        assert str(tmp_path) in diagnosis.observed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("look", [disk.state_folder, disk.out_folder, disk.locks_and_renames])
def test_a_folder_below_a_file_is_broken(
    look: Callable[[Setup], Diagnosis], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "folder"
    assert look(setup(state=below / "state", out=below / "out")).severity == "broken"


@LINUX
def test_a_folder_that_takes_no_file_is_broken() -> None:
    diagnosis = disk.state_folder(setup(state=Path("/proc/state")))
    assert diagnosis.severity == "broken"
    assert diagnosis.observed.startswith("/proc cannot be written")
    assert "--state DIR" in diagnosis.repair


@pytest.mark.parametrize(
    ("limit", "severity"),
    [("_SCARCE_BYTES", "warning"), ("_TOO_FEW_BYTES", "broken"), ("_SCARCE_FILES", "warning")],
)
def test_a_disk_without_room(
    limit: str, severity: Severity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_SCARCE_BYTES", "_TOO_FEW_BYTES", "_SCARCE_FILES", "_TOO_FEW_FILES"):
        monkeypatch.setattr(disk, name, 0)
    assert disk.state_folder(setup(state=tmp_path)).severity == "ok"
    if limit == "_SCARCE_FILES" and os.statvfs(tmp_path).f_files == 0:
        pytest.skip("this file system makes inodes as it needs them")
    monkeypatch.setattr(disk, limit, 2**62)
    assert disk.state_folder(setup(state=tmp_path)).severity == severity


def test_a_mirror_need_only_be_readable(tmp_path: Path) -> None:
    config = ROOT / "configs" / "mirror.yaml"
    its = Setup(load(config, (), {"source.mirror": str(tmp_path)}), {})
    assert disk.mirror_folder(setup()).severity == "skipped"
    assert disk.mirror_folder(its).severity == "warning"
    (tmp_path / "ann").mkdir()
    assert disk.mirror_folder(its).severity == "ok"
    (tmp_path / "ann").rmdir()
    tmp_path.rmdir()
    assert disk.mirror_folder(its).severity == "broken"


def test_what_is_kept_of_kaggle_must_be_writable(tmp_path: Path) -> None:
    its = Setup(settings(kaggle=True, state=tmp_path), {})
    assert str(tmp_path) in disk.mirror_folder(its).observed
    assert disk.mirror_folder(its).severity in ("ok", "warning")
    (tmp_path / "file").touch()
    below = Setup(settings(kaggle=True, state=tmp_path / "file" / "state"), {})
    assert disk.mirror_folder(below).severity == "broken"


# --- memory and cores -------------------------------------------------------------------------


def test_more_workers_than_fit_come_with_the_knob_that_mends_it() -> None:
    for look, asked in (
        (machine.memory, ["workers.count=5000"]),
        (machine.cores, ["workers.count=5000"]),
    ):
        ill = look(setup(*asked))
        assert ill.severity == "warning"
        mended = [word for word in ill.repair.split() if word != "--set"]
        assert look(setup(*asked, *mended)).severity == "ok"


def of_connections(*assignments: str) -> Setup:
    return Setup(settings(*assignments, kaggle=True), {})


def test_workers_that_ask_kaggle_take_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that has room for one process beside what is there once."""
    small = ("workers.executor.memory_mb=1000", "read.memory_mb=1000")
    once_mb = 1000 * machine._singles(settings(*small))
    monkeypatch.setattr(machine, "_total_mb", lambda: once_mb + 1999 + 2 * WORKER_MEMORY_MB)
    two = (*small, "source.kaggle.connections=2")
    assert machine.memory(of_connections("workers.count=1", *two)).severity == "ok"
    ill = machine.memory(of_connections("workers.count=2", *two))
    assert ill.repair == "--set workers.count=1"
    assert f"may take {once_mb + 2000 + 2 * WORKER_MEMORY_MB} MB" in ill.observed
    without = machine.memory(setup("workers.count=2", *two))
    assert without.severity == "ok"
    assert "Kaggle" not in without.observed
    many = ("workers.count=1", *small, "source.kaggle.connections=32")
    ill = machine.memory(of_connections(*many))
    assert "32 connections to Kaggle" in ill.observed
    assert ill.repair.endswith("--set source.kaggle.connections=1")
    mended = [word for word in ill.repair.split() if word != "--set"]
    assert machine.memory(of_connections(*mended)).severity == "ok"


@pytest.mark.parametrize(
    ("own", "folder", "files"),
    [
        ("0::/box", "box", {"memory.max": "5000", "cpu.max": "150000 100000"}),
        ("0::/box/in", ".", {"memory.max": "5000", "cpu.max": "150000 100000"}),
        ("4:memory:/box\n5:cpu,cpuacct:/", "memory/box", {"memory.limit_in_bytes": "5000"}),
        # In a container, where the path is that of the host.
        ("4:memory:/docker/1", "memory", {"memory.limit_in_bytes": "5000"}),
        ("4:memory:/box/in", "memory/box", {"memory.limit_in_bytes": "5000"}),
    ],
)
def test_limits_of_control_groups_count(
    own: str,
    folder: str,
    files: Mapping[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(control_groups, "_ROOT", tmp_path)
    monkeypatch.setattr(control_groups, "_OWN", tmp_path / "own")
    assert control_groups.memory_limit() is None
    (tmp_path / "own").write_text(f"{own}\n")
    for line in own.splitlines():
        _, names, path = line.split(":", 2)
        if "docker" not in path:
            place = tmp_path / names.split(",")[0] / path[1:]
            place.mkdir(parents=True, exist_ok=True)
            (place / "cgroup.controllers").write_text("cpu memory pids")
            (place / "memory.max").write_text("max")
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (tmp_path / folder / name).write_text(f"{text}\n")
    assert control_groups.memory_limit() == 5000
    assert control_groups.core_limit() == (1.5 if "cpu.max" in files else None)


def test_a_quota_of_older_control_groups_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_groups, "_ROOT", tmp_path)
    monkeypatch.setattr(control_groups, "_OWN", tmp_path / "own")
    (tmp_path / "own").write_text("5:cpu:/\n")
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1")
    assert control_groups.core_limit() is None
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("50000")
    assert control_groups.core_limit() == 0.5
    assert machine.cores(setup("workers.count=2")).repair == "--set workers.count=1"


# --- sandbox ----------------------------------------------------------------------------------


@LINUX
@pytest.mark.parametrize("look", [sandbox.limits, sandbox.death_with_parent])
def test_what_builds_need_is_there(look: Callable[[Setup], Diagnosis]) -> None:
    assert look(setup()).severity == "ok"


@LINUX
@pytest.mark.slow
def test_a_limit_that_no_worker_can_raise_is_broken() -> None:
    program = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from flows.doctor import sandbox\nfrom flows.doctor.diagnosis import Setup\n"
        "from flows.settings import load\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (2**30, 2**30))\n"
        "print(sandbox.limits(Setup(load(Path(sys.argv[1])), {})))"
    )
    command = [sys.executable, "-c", program, str(BUNDLED)]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (
        "severity='broken', observed='ulimit -d is 1024 MB, and a worker is to have 3000" in output
    )


UNABLE = {
    "limits": ("resource.setrlimit = lambda *limit: None", "512 MB could be allocated"),
    "death": ("probes.die_with_parent = lambda parent: None", "still ran"),
    "namespaces": ("probes._call = lambda *call: 0", "not number 1"),
    "landlock": (
        "real = probes._syscall\n"
        "probes._syscall = lambda n, *call: 0 if n == 446 else real(n, *call)",
        "a forbidden file could be read",
    ),
    "seccomp": ("probes._SCMP_ERRNO = probes._SCMP_ALLOW", "a forbidden system call"),
}


@LINUX
@pytest.mark.parametrize("name", UNABLE)
def test_a_probe_sees_a_system_that_only_pretends(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    works, output = sandbox._probed(name)
    if not works:
        pytest.skip(f"this system is no better: {output}")
    # Only what still runs at the end takes all of it.
    monkeypatch.setattr(sandbox, "_PROBE_S", 2.0 if name == "death" else 60.0)
    pretend, said = UNABLE[name]
    program = (
        "import resource, sys\nfrom flows.doctor import probes\n"
        f"{pretend}\nsys.exit(probes.run_probe({name!r}))"
    )
    works, output = sandbox._ended([sys.executable, "-S", "-c", program])
    assert not works
    assert said in output


@LINUX
def test_nothing_of_a_probe_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_PROBE_S", 4.0)
    mark = tmp_path / "pid"
    program = (
        "import os, sys, time\nif os.fork() == 0:\n"
        "    open(sys.argv[1], 'w').write(str(os.getpid()))\n    time.sleep(60)"
    )
    works, output = sandbox._ended([sys.executable, "-S", "-c", program, str(mark)])
    assert (works, output) == (False, "something of it still ran after 4 s")
    deadline = time.monotonic() + 300
    status = Path("/proc", mark.read_text(), "stat")
    while time.monotonic() < deadline and status.exists() and " Z " not in status.read_text():
        time.sleep(0.05)
    assert not status.exists() or " Z " in status.read_text()


@pytest.mark.parametrize(
    ("look", "severity"),
    [
        (sandbox.limits, "broken"),
        (sandbox.death_with_parent, "broken"),
        (sandbox.namespaces, "warning"),
        (sandbox.landlock, "warning"),
        (sandbox.seccomp, "warning"),
    ],
)
def test_only_what_builds_need_is_broken(
    look: Callable[[Setup], Diagnosis], severity: Severity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a program in place of the interpreter that fails at everything."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    diagnosis = look(setup())
    assert diagnosis.severity == severity
    assert "it ended with code 1" in diagnosis.observed
    assert ("code of strangers" in diagnosis.observed) == (severity == "warning")


@LINUX
def test_the_knob_that_forbids_namespaces_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Path("/proc/sys/kernel/ostype").read_text().strip()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr(sandbox, "_USER_NAMESPACES", (("kernel/ostype", there, "1"),))
    assert sandbox.namespaces(setup()).repair == "sudo sysctl -w kernel.ostype=1"
    monkeypatch.setattr(sandbox, "_USER_NAMESPACES", (("kernel/ostype", "0", "1"),))
    assert "container" in sandbox.namespaces(setup()).repair


def test_bubblewrap_must_start_something(tmp_path: Path) -> None:
    its = Setup(settings(), {"PATH": str(tmp_path)})
    assert sandbox.bubblewrap(its) == warning(
        "no bwrap on the PATH; needed for running code of strangers", "sudo apt install bubblewrap"
    )
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho no permissions >&2\nexit 1\n")
    program.chmod(0o755)
    diagnosis = sandbox.bubblewrap(its)
    assert diagnosis.severity == "warning"
    assert "no permissions" in diagnosis.observed
    program.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift\nexec "$@"\n')
    assert sandbox.bubblewrap(its) == ok(f"{program}: it starts")


def test_a_control_group_must_be_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_groups, "_ROOT", tmp_path)
    monkeypatch.setattr(control_groups, "_OWN", tmp_path / "own")
    assert "memory and pids" in sandbox.cgroups(setup()).observed
    assert sandbox.cgroups(setup()).severity == "warning"
    (tmp_path / "own").write_text("0::/\n")
    (tmp_path / "cgroup.controllers").write_text("memory pids")
    assert sandbox.cgroups(setup()).severity == "ok"


# --- versions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("running", "severity"), [((3, 10, 9), "broken"), ((3, 12, 0), "ok"), ((3, 99, 0), "warning")]
)
def test_the_interpreter(
    running: tuple[int, int, int], severity: Severity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", running)
    assert versions.python(setup()).severity == severity


def install(folder: Path, name: str, version: str, *requirements: str) -> None:
    """The record of a package that hides the one that is installed."""
    place = folder / f"{name}-{version}.dist-info"
    place.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requirements]
    (place / "METADATA").write_text("\n".join(lines) + "\n")


def test_a_library_that_does_not_fit_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert versions.requirements(setup()).severity == "ok"
    install(tmp_path, "fastapi", "0.200.0")
    monkeypatch.syspath_prepend(tmp_path)
    diagnosis = versions.requirements(setup())
    assert diagnosis.severity == "broken"
    assert "fastapi 0.200.0 (needed: <0.151,>=0.139)" in diagnosis.observed


def test_a_library_that_is_absent_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ("not-a-package-of-anyone>=1", "nor-this; extra == 'dev'", "numpy")
    install(tmp_path, "opendare", "0.0.1", *wanted)
    monkeypatch.syspath_prepend(tmp_path)
    diagnosis = versions.requirements(setup())
    assert diagnosis.observed == "1 not satisfied: not-a-package-of-anyone is absent (needed: >=1)"


def test_differences_from_the_lock_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "requirements.lock"
    monkeypatch.setattr(versions, "LOCK", lock)
    assert versions.lock(setup()).severity == "skipped"
    hashes = "    --hash=sha256:00\n"
    lock.write_text(f"numpy==0.1 \\\n{hashes}pywin32==1 ; sys_platform == 'none' \\\n{hashes}")
    diagnosis = versions.lock(setup())
    assert diagnosis.severity == "warning"
    assert diagnosis.observed.startswith("1 differ from the lock: numpy ")
    lock.write_text(f"numpy=={versions.version('numpy')} \\\n{hashes}")
    assert versions.lock(setup()).severity == "ok"


def test_modules_that_are_compiled_at_every_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "library_of_the_doctor.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    importlib.import_module("library_of_the_doctor")
    try:
        diagnosis = versions.byte_code(setup())
        assert diagnosis.severity == "warning"
        assert diagnosis.observed.startswith(
            "1 of 1 loaded modules are not compiled (PYTHONDONTWRITEBYTECODE is set)"
        )
        compileall.compile_dir(tmp_path, quiet=1)
        assert versions.byte_code(setup()).severity == "ok"
    finally:
        del sys.modules["library_of_the_doctor"]


def test_older_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ('environments.library_versions=["1.4"]', f"workers.environments={tmp_path}")
    assert versions.older_libraries(setup()).severity == "skipped"
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "ensurepip", None)
        assert versions.older_libraries(Setup(settings(*asked), {"PATH": ""})).severity == "broken"
    assert (
        "1.4 will be made at the first build"
        in versions.older_libraries(Setup(settings(*asked), os.environ)).observed
    )
    place = tmp_path / library_versions._key(library_versions.pins_of("1.4"))
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").symlink_to(sys.executable)
    (place / "complete.json").touch()
    assert versions.older_libraries(setup(*asked)) == ok(f"found in {tmp_path}: 1.4")
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    assert versions.older_libraries(setup(*asked)).severity == "broken"


# --- the whole --------------------------------------------------------------------------------


def test_a_check_that_raises_or_hangs_costs_the_others_nothing() -> None:
    never = threading.Event()

    def hang(its: Setup) -> Diagnosis:
        never.wait()
        return ok("")

    def fail(its: Setup) -> Diagnosis:
        raise KeyError("no such thing")

    checks = (
        HealthCheck("hangs", hang),
        HealthCheck("fails", fail),
        HealthCheck("works", lambda its: ok("well")),
    )
    started = time.monotonic()
    diagnoses = examine(checks, setup(), limit_s=1.5)
    assert time.monotonic() - started < 100
    never.set()
    assert list(diagnoses) == ["hangs", "fails", "works"]
    assert diagnoses["hangs"].observed == "no answer within 1.5 s"
    assert diagnoses["fails"].observed == "the check failed: KeyError: 'no such thing'"
    assert (diagnoses["hangs"].severity, diagnoses["fails"].severity) == ("broken", "broken")
    assert diagnoses["works"] == ok("well")


def test_what_asks_for_action_says_which() -> None:
    with pytest.raises(AssertionError):
        Diagnosis("warning", "something is odd")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


FOUND = {"short": ok("[bold]well"), "a longer name": broken("no disk", "buy one")}


def test_plain_lines_are_aligned() -> None:
    stream = io.StringIO()
    print_diagnoses(FOUND, stream)
    assert stream.getvalue().splitlines() == [
        "short          ok       [bold]well",
        "a longer name  broken   no disk",
        "               repair:  buy one",
        "1 ok, 1 broken",
    ]


def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    terminal = Terminal()
    print_diagnoses(FOUND, terminal)
    assert "━" in terminal.getvalue()
    assert "[bold]well" in terminal.getvalue()
    assert "buy one" in terminal.getvalue()


PROGRAM = """
import json, os, sys, threading
from pathlib import Path
from extract.sources.kaggle import KaggleConfig
from flows.doctor import examine
from flows.settings import load

environment = json.loads(sys.stdin.read())
settings = load(Path(sys.argv[1]), [], {"state": "state", "out": "out"})
source = settings.source.model_copy(update={"kind": sys.argv[2]})

def complain():
    raise OSError("\\n".join(environment.values()))

def hang():
    threading.Event().wait()

ask = {"complain": complain, "hang": hang, "answer": lambda: "answered as ann"}[sys.argv[3]]
KaggleConfig.ask = lambda self, environment: ask()
sys.exit(examine.doctor(settings.model_copy(update={"source": source}), environment))
"""


def doctor(
    kind: str, ask: str, environment: Mapping[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(BUNDLED), kind, ask],
        input=json.dumps({**kept, **environment}),
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


@LINUX
@pytest.mark.slow
def test_a_machine_that_builds_is_well(tmp_path: Path) -> None:
    result = doctor("bundled", "answer", {}, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    for check in CHECKS:
        assert f"\n{check.name}" in f"\n{result.stdout}"
    assert "broken" not in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("ask", ["complain", "hang"])
def test_no_secret_stands_in_the_output_and_the_end_comes(ask: str, tmp_path: Path) -> None:
    secrets = {
        "KAGGLE_USERNAME": "ann",
        "KAGGLE_KEY": KEY,
        "KAGGLE_TOKEN": TOKEN,
        "https_proxy": "http://ann:pa55w0rd@127.0.0.1:9",
    }
    result = doctor("kaggle", ask, secrets, tmp_path)
    assert result.returncode == 2, result.stderr
    assert "Kaggle's API       broken" in result.stdout
    assert "https_proxy leads to 127.0.0.1:9" in result.stdout
    for secret in (KEY, KEY[:8], TOKEN, "s3cr3t", "pa55w0rd"):
        assert secret not in result.stdout + result.stderr
