"""Writes `docs/settings.md` from the models that hold the settings: `make docs`.

Takes the fields of `flows/settings.py` with the docstrings below them; returns one Markdown table a
section. A test compares the page with what this writes, so that it cannot drift. Not here: how the
values are checked together (`out` beside `state`, the source and its mirror); the models say that.
"""

import ast
import inspect
import itertools
import json
import textwrap
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from flows.settings import Settings

PAGE = Path(__file__).with_name("settings.md")
_HEAD = """# Settings

Written by `make docs` from the models that hold them; each stands beside the idea that reads it.
A YAML file (`--config`, see `configs/`) comes first, then environment variables, whose values are
JSON where they are no plain text or number, then `--set setting=value` with YAML values, under make
`SET="setting=value setting=value"`. An unknown name is an error that lists the known ones. The
resolved settings ship with a release as `config.json`, without paths, source, endpoints and
workers. Secrets are no settings: they come from the environment only (`docs/kaggle.md`).
"""
_VARIABLE = "environment variable"
_COLUMNS = ("setting", "type", "default", "unit", _VARIABLE, "meaning")
_UNITS = {
    "_s": "seconds",
    "_mb": "MiB",
    "bytes": "bytes",
    "per_minute": "a minute",
    "_share": "0 to 1",
    "_rows": "rows",
}
"""By how a name ends; what ends otherwise is a count, or says more in its meaning."""
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def page() -> str:
    """The whole text."""
    plain = {n: f for n, f in Settings.model_fields.items() if not _model(f.annotation)}
    parts = [_HEAD, "## Of a build as a whole\n", _table(Settings, plain, "")]
    for name, field in Settings.model_fields.items():
        if model := _model(field.annotation):
            parts += _section(model, name)
    return "\n".join(parts)


def _section(model: type[BaseModel], path: str) -> Iterator[str]:
    """Tables of a model and of the models inside it; one without a field of its own has none."""
    leaves = {n: f for n, f in model.model_fields.items() if not _model(f.annotation)}
    if leaves:
        yield f"## `{path}`\n"
        yield f"{_first_sentence(model)}\n"
        yield _table(model, leaves, f"{path}.")
    for name, field in model.model_fields.items():
        inner = f"{path}.{field.alias or name}"
        if nested := _model(field.annotation):
            yield from _section(nested, inner)
        for item in filter(_model, get_args(field.annotation)):
            yield f"## Each of `{inner}`\n"
            yield _table(item, item.model_fields, "", in_list=True)


def _table(
    model: type[BaseModel], fields: dict[str, FieldInfo], prefix: str, *, in_list: bool = False
) -> str:
    docs = _docstrings(model)
    header = [name for name in _COLUMNS if not (in_list and name == _VARIABLE)]
    lines = [_line(header), _line(["---"] * len(header))]
    for name, field in fields.items():
        unit = next((unit for end, unit in _UNITS.items() if name.endswith(end)), "")
        cells = [f"`{prefix}{field.alias or name}`", _type(field), f"`{_default(field)}`", unit]
        if not in_list:
            # By the field's own name: no shell takes a variable with a hyphen.
            cells.append(f"`OPENDARE_{(prefix + name).upper().replace('.', '__')}`")
        lines.append(_line([*cells, docs.get(name, "")]))
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _model(annotation: Any) -> type[BaseModel] | None:
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation if is_model else None


def _type(field: FieldInfo) -> str:
    """Its type in words, with its bounds."""
    bounds = [
        f"{sign} {getattr(part, name)}"
        for part in field.metadata
        if isinstance(part, annotated_types.BaseMetadata)
        for name, sign in _BOUNDS.items()
        if hasattr(part, name)
    ]
    return " ".join((_named(field.annotation), *bounds))


def _named(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _named(arguments[0])
    if origin in (Union, types.UnionType):
        return " or ".join(map(_named, arguments))
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return f"list of {_named(arguments[0])}"
    if origin is dict:
        return f"{_named(arguments[1])} for each {_named(arguments[0])}"
    plain = {str: "text", Path: "path", type(None): "null", bool: "true or false"}
    return plain.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    return "required" if value is PydanticUndefined else json.dumps(to_jsonable_python(value))


def _first_sentence(model: type[BaseModel]) -> str:
    return " ".join(inspect.cleandoc(model.__doc__ or "").partition("\n\n")[0].split())


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The docstring below each field, inherited ones included."""
    texts: dict[str, str] = {}
    for kind in reversed(model.__mro__[: model.__mro__.index(BaseModel)]):
        try:
            source = textwrap.dedent(inspect.getsource(kind))
        except (OSError, TypeError):
            continue  # made by `create_model`: its fields are sections
        (body,) = (node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
        for field, below in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                text = ast.literal_eval(below.value)
                texts[ast.unparse(field.target)] = " ".join(str(text).split())
    return texts


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
