"""The console script `opendare`: one command a verb.

Reads the command line and nothing else; what a command needs is imported when it runs, so that
`--help` answers at once. Exit codes: 0 done, 1 a broken world (with a traceback), 2 something the
user can repair (with the message alone), 3 pending work (the same command continues), 130
interrupted.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flows.browse.opened import OpenedRelease
    from flows.settings import Settings

CONFIGS = Path(__file__).parent.parent / "configs"
_BUNDLED, _KAGGLE = CONFIGS / "bundled.yaml", CONFIGS / "kaggle.yaml"
_RELEASE = Path("build/release")
_INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it; Typer ends with it."""
_EPILOG = """exit codes: 0 done; 2 wrong configuration or arguments; 3 pending work, where the same
command continues; anything else is a fault of this program or of the machine."""

_Config = Annotated[Path, typer.Option(metavar="FILE", help="settings, see docs/settings.md")]
_Mirror = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="datasets in Kaggle's layout; for a source of kind kaggle the folder that is filled",
    ),
]
_State = Annotated[
    Path | None, typer.Option(metavar="DIR", help="what a build remembers, default .opendare")
]
_Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="the release, default build/release")
]
_Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="one setting by its path, seed=7; may be repeated"
    ),
]
_Folder = Annotated[Path, typer.Option("--release", metavar="DIR", help="the release")]
_Match = Annotated[str, typer.Option(metavar="TEXT", help="part of a name")]
_AsCsv = Annotated[bool, typer.Option("--csv", help="CSV instead of a table")]

_Work = Callable[["Settings", Mapping[str, str]], int]

app = typer.Typer(
    help="The open factory for verifiable data-science tasks.",
    add_completion=False,
    no_args_is_help=True,
    # Rich would decorate help and tracebacks, and takes a tenth of a second to import.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
_command = partial(app.command, epilog=_EPILOG)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; arguments default to those of the process."""
    # What stops containers and CI jobs ends a build as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app(args=sys.argv[1:] if argv is None else list(argv), prog_name="opendare")
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            print("interrupted; the same command continues", file=sys.stderr)
        return end.code if isinstance(end.code, int) else 1
    return 0


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"opendare {version('opendare')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_version, help="print the version"),
    ] = False,
) -> None:
    """Options of the program itself; what they do is done by their callbacks."""


# --- commands that read settings ----------------------------------------------------------------


@_command("build")
def _build(
    config: _Config = _BUNDLED,
    out: _Out = None,
    mirror: _Mirror = None,
    state: _State = None,
    assignments: _Assignments = None,
) -> None:
    """Turn datasets into a release."""

    def work(settings: "Settings", environment: Mapping[str, str]) -> int:
        from flows.build import build

        return build(settings)

    _write_state(_settings(config, assignments, mirror=mirror, state=state, out=out), work)


@_command("fetch")
def _fetch(
    config: _Config = _KAGGLE,
    mirror: _Mirror = None,
    state: _State = None,
    assignments: _Assignments = None,
) -> None:
    """Fill a mirror without building."""

    def work(settings: "Settings", environment: Mapping[str, str]) -> int:
        from flows.fetch import fetch

        return fetch(settings)

    _write_state(_settings(config, assignments, mirror=mirror, state=state), work)


@_command("catalog")
def _catalog(
    status: Annotated[
        str,
        typer.Option(help="listed, passed_over, fetched, refused, unavailable, pending or used"),
    ] = "",
    reason: Annotated[str, typer.Option(help="only datasets refused for this reason")] = "",
    match: _Match = "",
    as_csv: _AsCsv = False,
    config: _Config = _KAGGLE,
    mirror: _Mirror = None,
    state: _State = None,
    assignments: _Assignments = None,
) -> None:
    """Tell what searches found and what became of it."""
    settings = _settings(config, assignments, mirror=mirror, state=state)
    from flows.catalog import show_catalogue
    from flows.exit_codes import ended

    asked = {"status": status, "reason": reason, "match": match}
    _exit(ended(lambda: show_catalogue(settings, asked, as_csv=as_csv)))


@_command("restore")
def _restore(
    release: Annotated[Path, typer.Argument(metavar="DIR", help="the release")],
    config: _Config = _KAGGLE,
    mirror: _Mirror = None,
    state: _State = None,
    assignments: _Assignments = None,
) -> None:
    """Make the tasks of a release again that ship as recipes."""

    def work(settings: "Settings", environment: Mapping[str, str]) -> int:
        from flows.restore import restore_release

        return restore_release(release, settings, environment)

    _write_state(_settings(config, assignments, mirror=mirror, state=state), work)


@_command("gc")
def _gc(
    config: _Config = _BUNDLED,
    mirror: _Mirror = None,
    state: _State = None,
    assignments: _Assignments = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would go")] = False,
) -> None:
    """Delete from the state what no build will read again."""
    settings = _settings(config, assignments, mirror=mirror, state=state)
    from flows.exit_codes import ended
    from flows.garbage import collect_garbage

    _exit(ended(lambda: collect_garbage(settings, dry_run=dry_run)))


@_command("doctor")
def _doctor(
    config: _Config = _KAGGLE,
    out: _Out = None,
    mirror: _Mirror = None,
    state: _State = None,
    assignments: _Assignments = None,
) -> None:
    """Check this machine, each finding with its repair."""
    places = {"mirror": mirror, "state": state, "out": out}
    # What is wrong with the source is one more thing to find.
    settings = _settings(config, assignments, opens_source=False, **places)
    from flows.doctor.examine import doctor

    _exit(doctor(settings, dict(os.environ)))


# --- commands that read a release ---------------------------------------------------------------


@_command("tasks")
def _tasks(
    folder: Annotated[
        Path | None, typer.Argument(metavar="RELEASE", help="the same as --release")
    ] = None,
    release: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help=f"the release, default {_RELEASE}"),
    ] = None,
    variant: Annotated[str, typer.Option(help="class-if, reg-mm, ts-cf, …")] = "",
    split: Annotated[str, typer.Option(help="train or eval")] = "",
    source: Annotated[str, typer.Option(metavar="OWNER/SLUG", help="only of this one")] = "",
    match: _Match = "",
    as_csv: _AsCsv = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
) -> None:
    """List the tasks of a release."""
    if folder is not None and release is not None:
        _refuse(f"expected one release, found {folder} and --release {release}: leave one out")
    if as_csv and as_json:
        _refuse("expected --csv or --json, found both: leave one out")

    def look(opened: "OpenedRelease") -> None:
        from flows.browse.tasks import show_tasks

        asked = {"variant": variant, "split": split, "source": source, "match": match}
        show_tasks(opened, asked, "json" if as_json else "csv" if as_csv else "table")

    _browse(folder or release or _RELEASE, look)


@_command("show")
def _show(
    task: Annotated[str, typer.Argument(metavar="TASK", help="an id, or how it begins")],
    release: _Folder = _RELEASE,
    write: Annotated[
        Path | None, typer.Option(metavar="DIR", help="lay out the files of the task there")
    ] = None,
) -> None:
    """Show one task: question, files, first rows and checks."""

    def look(opened: "OpenedRelease") -> None:
        from flows.browse.show import show_task

        show_task(opened, task, write)

    _browse(release, look)


@_command("why")
def _why(
    name: Annotated[str, typer.Argument(metavar="TASK-OR-SOURCE", help="an id, or owner/slug")],
    release: _Folder = _RELEASE,
) -> None:
    """Say what was refused of a task or a source, and why."""

    def look(opened: "OpenedRelease") -> None:
        from flows.browse.why import show_why

        show_why(opened, name)

    _browse(release, look)


@app.command(
    "score",
    add_help_option=False,
    # Its flags are the business of the grader, which is a program of its own.
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
def _score(arguments: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Grade predictions: opendare score --help."""
    from validate.score import main as score

    _exit(score(arguments or [], "opendare score", _RELEASE))


# --- how a command begins and ends --------------------------------------------------------------


def _exit(code: int) -> None:
    raise typer.Exit(code)


def _refuse(message: object) -> None:
    print(message, file=sys.stderr)
    raise typer.Exit(2)


def _settings(
    config: Path,
    assignments: list[str] | None,
    *,
    opens_source: bool = True,
    **places: Path | None,
) -> "Settings":
    """The settings of a command; `mirror`, `state` and `out` are options of their own."""
    from flows.settings import ConfigurationError, load

    fields = {"mirror": "source.mirror", "state": "state", "out": "out"}
    named = {fields[name]: str(path) for name, path in places.items() if path is not None}
    try:
        return load(config, assignments or (), named, opens_source=opens_source)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None


def _write_state(settings: "Settings", work: _Work) -> None:
    """Run what writes into the state folder, with Prefect kept inside it."""
    if service := settings.source.chosen.service:
        # Before imports that take seconds.
        places = f"the mirror {settings.source_folder}, with the state {settings.state}"
        print(f"{service}, through {places}", file=sys.stderr, flush=True)
    from flows.runner.quiet import quiet_environment

    environment = dict(os.environ)
    try:
        quiet_environment(settings.state)
    except OSError as error:
        _refuse(f"cannot write to --state {settings.state}: {error.strerror}")
    from flows.exit_codes import ended

    _exit(ended(lambda: work(settings, environment)))


def _browse(folder: Path, look: Callable[["OpenedRelease"], None]) -> None:
    """Open a release and look at it; what a user can repair is told without a traceback."""
    from flows.browse.opened import OpenedRelease, ReleaseError

    try:
        look(OpenedRelease(folder))
    except ReleaseError as error:
        _refuse(error)


if __name__ == "__main__":
    sys.exit(main())
