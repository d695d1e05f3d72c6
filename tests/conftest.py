"""What all tests share: golden files, and the real datasets where a machine has them."""

import difflib
import fcntl
import os
import pickle
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest

from extract.dataset import RawDataset
from extract.memory import Memory
from extract.reading.limits import ReadConfig
from extract.reading.read import read_dataset
from extract.sources.mirror import MirrorSource
from extract.store import Store
from extract.stored_table import located
from extract.workers import Workers
from tests.building import Built, build
from tests.planning import plans_of
from tests.small_mirror import write_small_mirror
from transform.draft_task import DesignConfig, draft
from transform.files.task_folder import Draft, TaskFolder
from transform.plan import Plan
from transform.rows.size import SizeConfig
from transform.run.execute import execute

# Their assertions explain themselves as those of tests do.
pytest.register_assert_rewrite("tests.proofs")

# The same examples every time, however slow the machine is.
hypothesis.settings.register_profile(
    "repeatable",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("repeatable")

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden"
_SHARED = ("test_build.py", "test_kaggle.py", "test_release.py")
"""Files whose costly fixtures all processes share, so that each test may run in any of them."""
_LONGEST = ("test_faults.py", "test_restore.py", "test_golden_walk.py", *_SHARED)
"""Files that begin first, so that no process is left with one at the end."""

Golden = Callable[[str, str], None]
_T = TypeVar("_T")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-golden",
        action="store_true",
        help="run only the tests that compare with tests/golden, and rewrite the files",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Failures(config))


class _Failures:
    """Prints each failure when it happens; the tracebacks come at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and reporter is not None:
            crash = getattr(report.longrepr, "reprcrash", None)
            said = crash.message.partition("\n")[0] if crash else ""
            reporter.ensure_newline()
            reporter.write_line(f"FAILED {report.nodeid} ({report.when}): {said[:300]}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file is run by one process, in the order of collection; tests of `_SHARED` by any."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return nodeid if file.endswith(_SHARED) else file

    config.option.loadscopereorder = False
    return Scheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))
    # One process builds from the real tables at once, and another does all else meanwhile.
    builder = next((item for item in items if _is_real(item)), None)
    if builder is not None:
        items.remove(builder)
        items.insert(0, builder)
    if not config.getoption("rewrite_golden"):
        return
    others = [item for item in items if "golden" not in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


def _is_real(item: pytest.Item) -> bool:
    """Whether a test looks at the release of the real tables."""
    call = getattr(item, "callspec", None)
    # Parameters may be anything, also what cannot be compared.
    named = [value for value in (call.params.values() if call else ()) if isinstance(value, str)]
    return "real" in (*getattr(item, "fixturenames", ()), *named)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with `tests/golden/<name>`, or rewrites the file and prints the diff."""
    rewrite = request.config.getoption("rewrite_golden")

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        stored = path.read_text(encoding="utf-8") if path.exists() else ""
        lines = (stored.splitlines(keepends=True), text.splitlines(keepends=True))
        diff = "".join(difflib.unified_diff(*lines, f"golden/{name}", "now"))
        if rewrite:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            _print(request.config, diff or f"golden/{name} is unchanged\n")
        else:
            assert text == stored, f"`make golden` accepts this difference:\n{diff}"

    return compare


def _print(config: pytest.Config, text: str) -> None:
    """Past the capture of output, which would show a passing test's diff to nobody."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None, "make golden runs in one process"
    reporter.ensure_newline()
    reporter.write(text)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Directory of real datasets in Kaggle's layout, named by OPENDARE_MIRROR; skips without it."""
    fallback = ROOT.parent / "shared" / "data" / "kaggle-mirror"
    path = Path(os.environ.get("OPENDARE_MIRROR", fallback))
    if not path.is_dir():
        pytest.skip(f"no real datasets at {path}; OPENDARE_MIRROR names a directory of them")
    return path


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all processes of this run."""
    here = tmp_path_factory.getbasetemp()
    place = (here.parent if "PYTEST_XDIST_WORKER" in os.environ else here) / "shared"
    place.mkdir(exist_ok=True)
    return place


@pytest.fixture(scope="session")
def small_mirror(shared: Path) -> Path:
    """Invented datasets in Kaggle's layout; see `small_mirror.py`. Copy it before changing it."""
    return _once(shared / "mirror", lambda place: write_small_mirror(place / "datasets"))


@pytest.fixture(scope="session")
def small_build(small_mirror: Path, shared: Path) -> Built:
    """The release of the small mirror, built by `opendare build`; nobody writes into it."""
    return _once(shared / "small", lambda place: build(small_mirror, place))


@pytest.fixture(scope="session")
def real_build(mirror: Path, shared: Path) -> Built:
    """The release of the real tables; two to ten minutes. Nobody writes into it."""
    return _once(shared / "real", lambda place: build(mirror, place))


@pytest.fixture(scope="session")
def raws(small_mirror: Path, shared: Path) -> Mapping[str, RawDataset]:
    """Three of the small datasets as extraction hands them over, by `owner/slug`."""
    return _once(shared / "raws", lambda place: _read(small_mirror, place))


@pytest.fixture(scope="session")
def tasks(raws: Mapping[str, RawDataset], shared: Path) -> Mapping[str, TaskFolder]:
    """One proven task of each variant. Copy it before changing it."""
    return _once(shared / "tasks", lambda place: _proven(raws.values(), place))


def _once(place: Path, make: Callable[[Path], _T]) -> _T:
    """What `make` returns for an empty folder, asked by the first process of this run alone."""
    kept = place.with_suffix(".pickle")
    with place.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not kept.exists():
            # Another process may have failed in the middle.
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            kept.write_bytes(pickle.dumps(make(place)))
    made: _T = pickle.loads(kept.read_bytes())
    return made


def _read(mirror: Path, place: Path) -> dict[str, RawDataset]:
    source, store = MirrorSource(mirror), Store(str(place)).opened()
    memory = Memory(store)
    with Workers(1) as workers:
        read = {
            ref.key: read_dataset(source, ref, memory, workers, ReadConfig())
            for ref in source.refs()
            if ref.key in ("ann/churn", "ann/rents", "bob/shops")
        }
    return {key: located(raw, store) for key, raw in read.items() if isinstance(raw, RawDataset)}


def _proven(raws: Iterable[RawDataset], place: Path) -> dict[str, TaskFolder]:
    store, config = Store(str(place)), DesignConfig()
    made = [
        drafted
        for raw in raws
        for plan in plans_of(raw, place)
        if isinstance(plan, Plan)
        if isinstance(drafted := draft(raw, plan, config, SizeConfig(), store, place), Draft)
    ]
    return {drafted.spec.instructions.variant: _task(drafted) for drafted in reversed(made)}


def _task(made: Draft) -> TaskFolder:
    truth = made.truth or execute(made)
    return TaskFolder(spec=made.spec, folder=made.folder, truth=truth)
