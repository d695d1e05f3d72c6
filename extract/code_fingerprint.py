"""The code that a function reaches: the part of a stage's key that changes when its code does.

Takes a module of ours; returns one hash over it, over every module of ours that it imports,
directly or not, lazily or not, and over the releases of the libraries that these stand on.
Comments, docstrings and layout do not count, so a better sentence recomputes nothing. A module that
imports one of our packages as a whole (`import validate.gates as folder`, as registries do) reaches
every module in it. Files beside a reached module that are no Python (prompts, templates) count as
they are.

Not guaranteed: that a module named only in a string is seen.
"""

import ast
import hashlib
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import requires, version
from pathlib import Path

from packaging.requirements import Requirement

_ROOT = Path(__file__).resolve().parents[1]
_DATA = frozenset({".csv", ".j2", ".json", ".md", ".txt", ".yaml"})
"""Suffixes of prompts, templates and word lists; an editor leaves others behind."""
_ROOMS = ("extract", "transform", "validate", "publish", "flows")
_DISTRIBUTIONS = {
    "license_expression": "license-expression",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Names under which libraries are installed, where they are imported under another one."""


_parsing = threading.Lock()
"""One thread parses at a time: CPython 3.11 counts the depth of trees for all threads together."""


def code_of(module: str) -> str:
    """SHA-256 (hex) of all code that `module` reaches, with the interpreter's minor version."""
    with _parsing:
        return _code_of(module)


@cache
def _code_of(module: str) -> str:
    # A minor version may change results and how code is parsed; a patch level does not.
    digest = hashlib.sha256(repr(sys.version_info[:2]).encode())
    reached = modules_of(module)
    for name in sorted(reached):
        digest.update(f"{name} {_meaning(name)}\n".encode())
    for library in sorted(_libraries(reached)):
        digest.update(f"{library} {version(library)}\n".encode())
    return digest.hexdigest()


@cache
def modules_of(module: str) -> frozenset[str]:
    """Names of all modules of ours that `module` reaches, itself among them."""
    reached: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _imports(name)[0]
            # What imports a module runs the packages that hold it.
            waiting += [] if _file(name) is None else _packages(name)
    return frozenset(reached)


def _packages(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def _file(module: str) -> Path | None:
    """The file of a module of ours; None for what is none."""
    if module.partition(".")[0] not in _ROOMS:
        return None
    place = _ROOT.joinpath(*module.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_source(module).read_bytes())


def _source(module: str) -> Path:
    """The file of a module that a function comes from, which may be none of ours, as in a test."""
    path = _file(module) or sys.modules[module].__file__
    assert path is not None, f"no file of module {module}"
    return Path(path)


@cache
def _imports(module: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """Modules of ours that a module imports, and the top names of all others."""
    ours: set[str] = set()
    others: set[str] = set()
    for name, is_whole in _imported(module):
        if _file(name) is not None:
            ours.update(_below(name) if is_whole else (name,))
        else:
            others.add(name.partition(".")[0])
    return tuple(sorted(ours)), frozenset(others - sys.stdlib_module_names)


def _imported(module: str) -> Iterator[tuple[str, bool]]:
    """Imported names, each with whether the module as an object is meant."""
    # The whole tree: imports inside functions decide results as well.
    for node in _running(_tree(module)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, True) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module, False
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if _file(inner) is not None:
                    yield inner, True


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below, without what stands there for the type checker alone."""
    for child in ast.iter_child_nodes(node):
        test = getattr(child, "test", None)
        if isinstance(child, ast.If) and isinstance(test, ast.Name) and test.id == "TYPE_CHECKING":
            children: Sequence[ast.AST] = child.orelse
        else:
            children = (child,)
        for one in children:
            yield one
            yield from _running(one)


def _below(module: str) -> Iterator[str]:
    """The module and, of a package, everything in it."""
    yield module
    path = _file(module)
    if path is not None and path.name == "__init__.py":
        for inner in path.parent.rglob("*.py"):
            parts = inner.relative_to(_ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _meaning(module: str) -> str:
    """Hash of a module without what a reader alone sees, and of the data files beside it."""
    tree = ast.parse(ast.unparse(_tree(module)))
    for node in ast.walk(tree):
        for body in (getattr(node, "body", None), getattr(node, "orelse", None)):
            if isinstance(body, list):
                body[:] = [line for line in body if not _is_text(line)]
    digest = hashlib.sha256(ast.dump(tree).encode())
    path = _source(module)
    if _file(module) and path.name != "__init__.py":
        for beside in _data_files(path.parent):
            digest.update(f"{beside.name} ".encode() + beside.read_bytes())
    return digest.hexdigest()


def _data_files(folder: Path) -> Iterator[Path]:
    """Files that modules of a folder read, in it and in folders below that hold no modules."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in _DATA and not path.name.startswith("."):
            yield path
        elif path.is_dir() and not path.name.startswith((".", "__")) and not any(path.glob("*.py")):
            yield from _data_files(path)


def _is_text(line: ast.stmt) -> bool:
    return (
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
    )


def _libraries(modules: frozenset[str]) -> frozenset[str]:
    """Distributions that the modules import, and all that those need."""
    ours = (module for module in modules if _file(module) is not None)
    names = {other for module in ours for other in _imports(module)[1]}
    waiting = [_DISTRIBUTIONS.get(name, name) for name in names]
    needed: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += _requirements(name)
    return frozenset(needed)


@cache
def _requirements(distribution: str) -> tuple[str, ...]:
    """What a distribution needs on this machine, without extras."""
    needs = map(Requirement, requires(distribution) or ())
    return tuple(
        need.name.lower().replace("_", "-")
        for need in needs
        if need.marker is None or need.marker.evaluate({"extra": ""})
    )
