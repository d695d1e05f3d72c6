"""The house rules that a machine can read: who imports whom, what is called how, what is said."""

import ast
import graphlib
import itertools
import re
import sys
from collections import Counter

import pytest

from tests.rooms import (
    MODULES,
    ROOMS,
    ROOT,
    identifiers,
    importers,
    imports,
    longest_chain,
    public_twice,
    room_of,
    tree,
    words,
)

NOUNS = (
    "extract.noun",
    "extract.dataset",
    "extract.drop",
    "transform.proposal",
    "transform.profile.profile",
    "transform.task",
    "transform.plan",
    "validate.verdict",
    "publish.release",
)
"""Each may import those before it."""
APART = {
    "extract.reading": ("extract.kaggle", "extract.evidence"),
    "extract.kaggle": ("extract.evidence",),
    "extract.evidence": ("extract.kaggle",),
    "transform.steps": ("transform.families", "transform.propose"),
    "transform.series": ("transform.families", "transform.propose", "transform.steps"),
    "validate.leakage": ("validate.gates", "validate.baselines", "validate.environments"),
    "validate.environments": ("validate.gates", "validate.baselines", "validate.leakage"),
    "validate.baselines": ("validate.gates", "validate.leakage"),
}
"""Folders of a room that know nothing of these neighbours."""
CLIENTS = {"kaggle": 1, "litellm": 0, "huggingface_hub": 0, "great_expectations": 0}
"""Clients of services, each with the number of files that import it: one, or none as yet."""
NOT_IMPORTED = {
    "six": "kaggle imports it without declaring it",
    "fastapi": "bounded for the server of Prefect, which declares more than it bears",
    "uvicorn": "bounded for the server of Prefect",
    "litellm": "the proposals of a language model are not there yet",
    "huggingface_hub": "the upload is not there yet",
    "great_expectations": "the expectations are not there yet",
}
"""Declared dependencies that no module imports, each with its reason."""
IMPORTED_AS = {"scikit-learn": "sklearn", "pyyaml": "yaml"}
FOLDERS = {*ROOMS, "configs", "docs", "tests"}
BY_PRODUCTS = {"build", "dist", "__pycache__"}
DRAWERS = {"core", "utils", "util", "common", "helpers", "helper", "base", "manager", "misc"}
MAX_LOOSE_MODULES = 15
"""In one folder; with more a reader sees no order."""
MAX_PUBLIC_TWICE = 7
"""Is to fall to 5."""
MAX_CHAIN = 15
"""Beyond it nobody can say what a change reaches."""

# --- who imports whom -------------------------------------------------------------------------


def test_finds_the_modules() -> None:
    assert set(ROOMS) <= set(MODULES)
    assert set(NOUNS) <= set(MODULES)
    assert "extract.noun" in imports("extract.dataset")


@pytest.mark.parametrize("room", ROOMS)
def test_imports_follow_the_walk(room: str) -> None:
    allowed = ROOMS[: ROOMS.index(room) + 1]
    for module in (name for name in MODULES if room_of(name) == room):
        ours = {name for name in imports(module) if room_of(name) in ROOMS}
        assert {name for name in ours if room_of(name) not in allowed} == set(), module
        assert ours <= set(MODULES), f"{module} imports a module that is not there"


@pytest.mark.parametrize("folder", APART)
def test_folders_apart_do_not_know_each_other(folder: str) -> None:
    inside = [name for name in MODULES if name.startswith(f"{folder}.")]
    assert inside, "an empty folder proves nothing"
    known = {(name, other) for name in inside for other in imports(name)}
    for neighbour in APART[folder]:
        assert any(name.startswith(f"{neighbour}.") for name in MODULES), neighbour
        assert {pair for pair in known if f"{pair[1]}.".startswith(f"{neighbour}.")} == set()


@pytest.mark.parametrize("module", NOUNS)
def test_a_noun_imports_only_nouns(module: str) -> None:
    upstream = NOUNS[: NOUNS.index(module)]
    for name in imports(module):
        assert name in upstream or room_of(name) in {*sys.stdlib_module_names, "pydantic"}, name


def test_the_grader_stands_alone() -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "pyarrow"}
    assert {room_of(name) for name in imports("validate.score")} <= allowed


def test_only_flows_imports_prefect() -> None:
    assert {room_of(name) for name in importers("prefect")} == {"flows"}


@pytest.mark.parametrize("client", CLIENTS)
def test_one_file_imports_each_client(client: str) -> None:
    assert len(importers(client)) == CLIENTS[client]


def test_every_dependency_is_imported_or_says_why_not() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (table,) = re.findall(r"^dependencies = \[\n(.*?)^\]", project, re.DOTALL | re.MULTILINE)
    declared = re.findall(r'^ +"([\w-]+)', table, re.MULTILINE)
    packages = {IMPORTED_AS.get(name, name.replace("-", "_")) for name in declared}
    assert len(packages) > 20
    assert {name for name in packages if not importers(name)} == set(NOT_IMPORTED)


def test_there_is_no_import_cycle() -> None:
    graph = {name: imports(name) & set(MODULES) - {name} for name in MODULES}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_imports_are_no_long_chain() -> None:
    chain = longest_chain()
    assert len(chain) <= MAX_CHAIN, "\n".join(chain)


# --- what is called how, and where it stands --------------------------------------------------


def test_a_module_says_why_it_exists() -> None:
    assert [name for name in MODULES if not ast.get_docstring(tree(name))] == []


def test_files_are_named_for_what_they_do() -> None:
    assert {name for name in MODULES if DRAWERS & set(name.split("."))} == set()


def test_no_folder_is_full() -> None:
    modules = (path for path in MODULES.values() if path.name != "__init__.py")
    loose = Counter(path.parent.relative_to(ROOT).as_posix() for path in modules)
    assert {folder: n for folder, n in loose.items() if n > MAX_LOOSE_MODULES} == {}


def test_a_package_has_no_facade() -> None:
    packages = [name for name, path in MODULES.items() if path.name == "__init__.py"]
    assert packages
    assert [name for name in packages if len(tree(name).body) > 1] == []


def test_a_public_name_means_one_thing() -> None:
    twice = public_twice()
    lines = "\n".join(f"{name}: {', '.join(modules)}" for name, modules in twice.items())
    assert len(twice) <= MAX_PUBLIC_TWICE, lines


def test_the_top_level_is_fixed() -> None:
    there = {path.name for path in ROOT.iterdir() if path.is_dir()}
    visible = {
        name for name in there if not name.startswith(".") and not name.endswith(".egg-info")
    }
    assert visible - BY_PRODUCTS == FOLDERS


def test_tests_are_no_packages() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


# --- the words of the field -------------------------------------------------------------------

PRIVATE_WORDS = {
    *("dirt", "soil", "spoil", "spoiled", "holes"),
    *("violation", "violations", "exposed", "held_back"),
    *("ladder", "rung", "rungs", "climb", "lesson", "yardstick"),
    *("panel", "member", "members", "generation", "generations"),
    *("lab", "charged", "warm", "foreign"),
    *("judged", "prospect", "prospects"),
    *("gives_away", "betrays", "guilty", "alone", "known_ahead"),
    *("twin", "twins", "textbook", "owed", "owes", "passing"),
    *("tether", "sole_use", "outlive", "lane", "lanes", "purse", "shelf"),
    *("amendment", "amendments", "layout", "sketch", "told", "found"),
}
"""Words that grew here and say nothing to a newcomer; the field has others.

Of the words to avoid, `seen` (by a loop) and `draw` (at random) are standard and not in this list.
"""
STANDARD_HERE = {
    ("member", "extract"): "archives have members",
    ("members", "extract"): "archives have members",
    ("member", "transform.rows"): "groups have members",
    ("members", "transform.rows"): "groups have members",
    ("members", "publish.selecting"): "clusters have members",
    ("sketch", "extract"): "a MinHash is a sketch of a set",
    ("alone", "extract.workers"): "a call that runs while no other does",
    ("layout", "extract.kaggle"): "of the folder in which Kaggle ships a dataset",
}
"""Word and where it may stand, with the reason."""
STILL_THERE: dict[str, int] = {
    "alone": 4,
    "found": 8,
    "judged": 1,
}
"""Words that are still to go, with the number of modules that have one. Only ever shortened."""


def _private_words() -> dict[str, set[str]]:
    """Modules by word."""
    there: dict[str, set[str]] = {}
    for module in MODULES:
        for identifier in identifiers(module):
            parts = words(identifier)
            pairs = map("_".join, itertools.pairwise(parts))
            for word in PRIVATE_WORDS & {*parts, *pairs}:
                if not _is_standard(word, module):
                    there.setdefault(word, set()).add(f"{module}: {identifier}")
    return there


def _is_standard(word: str, module: str) -> bool:
    places = [place for known, place in STANDARD_HERE if known == word]
    return any(f"{module}.".startswith(f"{place}.") for place in places)


def test_names_are_words_of_the_field() -> None:
    there = _private_words()
    more = {word: sorted(there[word]) for word in there if _n(there[word]) > _limit(word)}
    assert more == {}


def test_the_list_of_remaining_words_only_shrinks() -> None:
    assert [word for word in STILL_THERE if word not in _private_words()] == [], "take them off"


def _n(uses: set[str]) -> int:
    return len({use.partition(":")[0] for use in uses})


def _limit(word: str) -> int:
    return STILL_THERE.get(word, 0)
