"""The code of the rooms as a machine reads it: modules, imports, names, lines.

Takes the rooms' folders; returns what the house rules and the sizes ask about. Only files are read,
nothing is imported: what a module adds to itself while it runs is not seen.
"""

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("extract", "transform", "validate", "publish", "flows")
"""In the order in which a dataset passes them."""

_DIRECTIVES = ("# type:", "# noqa", "# ruff:", "# fmt:", "# mypy:")
_LAYOUT = {
    *(tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENDMARKER, tokenize.ENCODING, tokenize.COMMENT),
}


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))}


def room_of(module: str) -> str:
    """The first part of a dotted name; of a foreign module, its package."""
    return module.partition(".")[0]


@cache
def tree(module: str) -> ast.Module:
    """The syntax of a module."""
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


# --- imports ----------------------------------------------------------------------------------


@cache
def imports(module: str) -> frozenset[str]:
    """Modules that a module imports anywhere, lazily too; ours as the file, others as written."""
    return frozenset(_imported(module, ast.walk(tree(module))))


@cache
def imports_on_top(module: str) -> frozenset[str]:
    """Modules of ours that are loaded with a module."""
    return frozenset(_imported(module, iter(tree(module).body))) & set(MODULES) - {module}


def _imported(module: str, nodes: Iterator[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relatively"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def importers(package: str) -> set[str]:
    """Modules of ours that import something of a foreign package."""
    return {name for name in MODULES if package in map(room_of, imports(name))}


@cache
def chain(module: str) -> tuple[str, ...]:
    """The longest chain of imports on top that begins with a module."""
    onward = [chain(name) for name in sorted(imports_on_top(module))]
    return (module, *max(onward, key=len, default=()))


def longest_chain() -> tuple[str, ...]:
    """The longest chain of imports of all modules."""
    return max(map(chain, sorted(MODULES)), key=len)


# --- names ------------------------------------------------------------------------------------


def public_twice() -> dict[str, list[str]]:
    """Names that two or more modules define on top without an underscore, with these modules."""
    modules = defaultdict(set)
    for module in MODULES:
        for name in _defined(tree(module)):
            if not name.startswith("_"):
                modules[name].add(module)
    return {name: sorted(modules[name]) for name in sorted(modules) if len(modules[name]) > 1}


def _defined(module: ast.Module) -> Iterator[str]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def identifiers(module: str) -> set[str]:
    """The module's own parts, and every name that its code gives to something."""
    given = set(module.split("."))
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            given.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            given.add(node.id)
        elif isinstance(node, ast.arg):
            given.add(node.arg)
        elif isinstance(node, ast.alias) and node.asname:
            given.add(node.asname)
    return given


def words(identifier: str) -> list[str]:
    """`MAX_TwinRows` is max, twin, rows."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", identifier).lower().strip("_").split("_")


# --- lines ------------------------------------------------------------------------------------


def functions(module: str) -> Iterator[tuple[str, int]]:
    """Each function or method with its lines, docstring included."""
    path = MODULES[module].relative_to(ROOT)
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield f"{path}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def n_lines(module: str) -> int:
    """Lines of the file."""
    return len(MODULES[module].read_text(encoding="utf-8").splitlines())


def code_and_comments(module: str) -> tuple[int, int]:
    """Lines with code, and lines with a comment that is said to people.

    Docstrings are neither; a line may be both.
    """
    code, comments = set[int](), set[int]()
    text = MODULES[module].read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith(_DIRECTIVES):
            comments.add(token.start[0])
        elif token.type not in _LAYOUT:
            code.update(range(token.start[0], token.end[0] + 1))
    return len(code - _docstring_lines(module)), len(comments)


def _docstring_lines(module: str) -> set[int]:
    """Lines of strings that stand alone: docstrings, and those below a field or a constant."""
    alone = (
        node.value
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )
    return {
        line
        for string in alone
        for line in range(string.lineno, (string.end_lineno or string.lineno) + 1)
    }
