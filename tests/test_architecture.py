"""The house rules that a machine can read: who imports whom, what is called how, what is said."""

import ast
import graphlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("extract", "transform", "validate", "publish", "flows")
NOUNS = (
    "extract.noun",
    "extract.dataset",
    "extract.drop",
    "transform.proposal",
    "transform.task",
    "transform.plan",
    "validate.verdict",
    "publish.release",
)
ONLY_FLOWS = "prefect"
ONE_FILE_EACH = ("kaggle", "litellm", "huggingface_hub", "great_expectations")
FOLDERS = {*ROOMS, "configs", "docs", "tests"}
BY_PRODUCTS = {"build", "dist", "__pycache__"}
DRAWERS = {"core", "utils", "util", "common", "helpers", "helper", "base", "manager", "misc"}


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))}


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@cache
def _imports(module: str) -> frozenset[str]:
    """Modules that a module imports anywhere, lazily too; ours as the file, others as written."""
    return frozenset(_imported(module))


def _imported(module: str) -> Iterator[str]:
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relatively"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def _room(module: str) -> str:
    return module.partition(".")[0]


def _importers(package: str) -> set[str]:
    return {name for name in MODULES if package in map(_room, _imports(name))}


def test_finds_the_modules() -> None:
    assert set(ROOMS) <= set(MODULES)
    assert "extract.noun" in _imports("extract.dataset")


@pytest.mark.parametrize("module", MODULES)
def test_imports_follow_the_walk(module: str) -> None:
    allowed = ROOMS[: ROOMS.index(_room(module)) + 1]
    ours = {name for name in _imports(module) if _room(name) in ROOMS}
    assert {name for name in ours if _room(name) not in allowed} == set()
    assert ours <= set(MODULES), "imports a module that is not there"


@pytest.mark.parametrize("module", [name for name in NOUNS if name in MODULES])
def test_a_noun_imports_only_nouns(module: str) -> None:
    upstream = NOUNS[: NOUNS.index(module)]
    for name in _imports(module):
        assert name in upstream or _room(name) in {*sys.stdlib_module_names, "pydantic"}, name


@pytest.mark.skipif("validate.score" not in MODULES, reason="the grader is not there")
def test_the_grader_stands_alone() -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "pyarrow"}
    assert {_room(name) for name in _imports("validate.score")} <= allowed


def test_only_flows_imports_prefect() -> None:
    assert {_room(name) for name in _importers(ONLY_FLOWS)} <= {"flows"}


@pytest.mark.parametrize("package", ONE_FILE_EACH)
def test_one_file_imports_each_client(package: str) -> None:
    assert len(_importers(package)) <= 1


def test_there_is_no_import_cycle() -> None:
    graph = {name: _imports(name) & set(MODULES) - {name} for name in MODULES}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_why_it_exists(module: str) -> None:
    assert ast.get_docstring(_tree(module)), "opens without a docstring"


def test_files_are_named_for_what_they_do() -> None:
    assert {name for name in MODULES if DRAWERS & set(name.split("."))} == set()


def test_the_top_level_is_fixed() -> None:
    found = {path.name for path in ROOT.iterdir() if path.is_dir()}
    visible = {
        name for name in found if not name.startswith(".") and not name.endswith(".egg-info")
    }
    assert visible - BY_PRODUCTS == FOLDERS


def test_tests_are_no_packages() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
