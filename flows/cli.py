"""The console script `opendare`: one command a verb.

Reads the command line and nothing else; what a command needs is imported when it runs, so that
`--help` answers at once. Exit codes: 0 done, 1 a broken world (with a traceback), 2 something the
user can repair (with the message alone), 3 pending work (the same command continues), 130
interrupted.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.settings import Settings

CONFIGS = Path(__file__).parent.parent / "configs"
_EPILOG = """exit codes: 0 done; 2 wrong configuration or arguments; 3 pending work, where the same
command continues; anything else is a fault of this program or of the machine."""
_MIRROR = "datasets in Kaggle's layout; for a source of kind kaggle the folder that is filled"
_STATE = "what a build remembers, default .opendare"

_Command = Callable[["Settings", argparse.Namespace, Mapping[str, str]], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; arguments default to those of the process."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["score"]:
        # Not parsed here: the grader is a program of its own, and its flags are its business.
        from validate.score import main as score

        return score(arguments[1:])
    parsed = _parser().parse_args(arguments)
    # What stops containers and CI jobs ends a build as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(parsed)
    except KeyboardInterrupt:
        print("interrupted; the same command continues", file=sys.stderr)
        return 130


class _Version(argparse.Action):
    """Asks the installed package, and only when asked."""

    def __call__(self, parser: argparse.ArgumentParser, *arguments: object) -> None:
        from importlib.metadata import version

        parser.exit(0, f"opendare {version('opendare')}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="opendare", description="The open factory for verifiable data-science tasks."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    build = _command(commands, "build", _build, "turn datasets into a release", "bundled.yaml")
    build.add_argument("--out", metavar="DIR", help="the release, default build/release")
    _command(commands, "fetch", _fetch, "fill a mirror without building", "kaggle.yaml")
    catalog = _command(
        commands, "catalog", _catalog, "tell what searches found and what became of it",
        "kaggle.yaml",
    )  # fmt: skip
    catalog.add_argument(
        "--status",
        default="",
        help="listed, passed_over, fetched, refused, unavailable, pending or used",
    )
    catalog.add_argument("--reason", default="", help="only datasets refused for this reason")
    catalog.add_argument("--match", default="", metavar="TEXT", help="part of a name or title")
    catalog.set_defaults(writes_state=False)
    catalog.add_argument("--csv", action="store_true", help="all columns as CSV")
    restore = _command(
        commands, "restore", _restore, "make the tasks of a release again that ship as recipes",
        "kaggle.yaml",
    )  # fmt: skip
    restore.add_argument("release", type=Path, metavar="DIR", help="the release")
    doctor = _command(
        commands, "doctor", _doctor, "check this machine, each finding with its repair",
        "kaggle.yaml",
    )  # fmt: skip
    # What is wrong with the source is one more thing to find.
    doctor.set_defaults(writes_state=False, opens_source=False)
    doctor.add_argument("--out", metavar="DIR", help="the release, default build/release")
    commands.add_parser("score", help="grade predictions: opendare score --help")
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: _Command,
    text: str,
    config: str,
) -> argparse.ArgumentParser:
    """A command that reads settings, with the options that all of those have."""
    parser = commands.add_parser(name, help=text, description=text, epilog=_EPILOG)
    parser.set_defaults(run=run, default_config=CONFIGS / config, out=None, writes_state=True)
    parser.set_defaults(opens_source=True)
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help=f"settings, default configs/{config}"
    )
    parser.add_argument("--mirror", metavar="DIR", help=_MIRROR)
    parser.add_argument("--state", metavar="DIR", help=_STATE)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one setting by its path, for example seed=7; may be repeated",
    )
    return parser


def _run(arguments: argparse.Namespace) -> int:
    from flows.settings import ConfigurationError, load

    environment = dict(os.environ)
    named = {"source.mirror": arguments.mirror, "out": arguments.out, "state": arguments.state}
    given = {key: value for key, value in named.items() if value is not None}
    try:
        settings = load(
            arguments.config or arguments.default_config,
            arguments.set,
            given,
            opens_source=arguments.opens_source,
        )
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    if not arguments.writes_state:
        return int(arguments.run(settings, arguments, environment))
    if service := settings.source.chosen.service:
        # Before imports that take seconds.
        places = f"the mirror {settings.source_folder}, with the state {settings.state}"
        print(f"{service}, through {places}", file=sys.stderr, flush=True)
    from flows.quiet import quiet_environment

    try:
        quiet_environment(settings.state)
    except OSError as error:
        print(f"cannot write to --state {settings.state}: {error.strerror}", file=sys.stderr)
        return 2
    from flows.exit_codes import ended

    return ended(lambda: int(arguments.run(settings, arguments, environment)))


def _build(
    settings: "Settings", arguments: argparse.Namespace, environment: Mapping[str, str]
) -> int:
    from flows.build import build

    return build(settings, environment)


def _fetch(
    settings: "Settings", arguments: argparse.Namespace, environment: Mapping[str, str]
) -> int:
    from flows.fetch import fetch

    return fetch(settings, environment)


def _catalog(
    settings: "Settings", arguments: argparse.Namespace, environment: Mapping[str, str]
) -> int:
    from flows.catalog import show_catalogue
    from flows.exit_codes import ended

    asked = {"status": arguments.status, "reason": arguments.reason, "match": arguments.match}
    return ended(lambda: show_catalogue(settings, asked, as_csv=arguments.csv))


def _restore(
    settings: "Settings", arguments: argparse.Namespace, environment: Mapping[str, str]
) -> int:
    from flows.restore import restore_release

    return restore_release(arguments.release, settings, environment)


def _doctor(
    settings: "Settings", arguments: argparse.Namespace, environment: Mapping[str, str]
) -> int:
    from flows.doctor.examine import doctor

    return doctor(settings, environment)


if __name__ == "__main__":
    sys.exit(main())
