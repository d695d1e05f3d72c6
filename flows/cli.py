"""The console script `opendare`: `build` makes a release, `score` grades predictions.

Reads the command line and nothing else; what a command needs is imported when it runs, so that
`--help` answers at once. Exit codes: 0 done, 1 a broken world (with a traceback), 2 something the
user can repair (with the message alone), 3 owed work (the same command continues), 130 interrupted.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

DEFAULT_CONFIG = Path(__file__).parent.parent / "configs" / "bundled.yaml"
_EPILOG = """exit codes: 0 done; 2 wrong configuration or arguments; 3 owed work, where the same
command continues; anything else is a fault of this program or of the machine."""


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
        return _build(parsed)
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
    commands = parser.add_subparsers(title="commands", metavar="{build,score}", required=True)
    build = commands.add_parser("build", help="turn datasets into a release", epilog=_EPILOG)
    build.add_argument(
        "--config", type=Path, metavar="FILE", help="settings, default configs/bundled.yaml"
    )
    build.add_argument(
        "--mirror", metavar="DIR", help="datasets in Kaggle's layout, for a source of kind mirror"
    )
    build.add_argument("--out", metavar="DIR", help="the release, default build/release")
    build.add_argument("--state", metavar="DIR", help="what a build remembers, default .opendare")
    build.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one setting by its path, for example seed=7; may be repeated",
    )
    commands.add_parser("score", help="grade predictions: opendare score --help")
    return parser


def _build(arguments: argparse.Namespace) -> int:
    from flows.quiet import quiet_environment
    from flows.settings import ConfigurationError, load

    try:
        named = {"source.mirror": arguments.mirror, "out": arguments.out, "state": arguments.state}
        given = {key: value for key, value in named.items() if value is not None}
        settings = load(arguments.config or DEFAULT_CONFIG, arguments.set, given)
        quiet_environment(settings.state)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"cannot write to --state {settings.state}: {error.strerror}", file=sys.stderr)
        return 2
    from flows.build import build

    return build(settings)
