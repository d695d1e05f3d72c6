"""The knobs of a build under one root: a YAML file, then the environment, then the command line.

Every knob is a field of a small model beside the idea that reads it; here they are only nested.
`load` gives the settings or a `ConfigurationError` that names each wrong field, what was found,
what is allowed and where it came from; `resolved` gives what a release may say about them. Whether
the values make a good release is not checked here.

The environment says `OPENDARE_SEED=7` or `OPENDARE_GATES__NOT_CONSTANT__LARGEST_SHARE=0.95`, the
command line `--set gates.not_constant.largest_share=0.95`.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import yaml
from pydantic import (
    BaseModel,
    Field,
    JsonValue,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, to_jsonable_python
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from extract.noun import Noun
from extract.reading.limits import ReadConfig
from extract.source import SourceKind
from extract.sources.registry import source_kinds
from flows.renamed_settings import renamed
from publish.settings import PublishConfig
from transform.draft_task import DesignConfig
from transform.profile.measure import ProfileConfig
from transform.propose.heuristic import ProposeConfig
from transform.rows.split import Splitting
from validate.environments.executor import ExecutorConfig
from validate.environments.matrix import MatrixConfig
from validate.gate import Gate
from validate.gates.size import Size
from validate.registry import gate_classes

_PREFIX = "OPENDARE_"
_NESTING = "__"
_LONGEST_VALUE = 200


class ConfigurationError(Exception):
    """Settings that cannot be used; the message is complete, one line for each wrong field."""


class _ChosenSource(Noun):
    """Where datasets come from, whatever kinds there are."""

    kind: str
    """One of those in `extract/sources/`; each may have a section of its own beside this."""
    mirror: Path | None = None
    """Directory in Kaggle's layout, `<owner>/<slug>/`; of a service the one that is filled, by
    default in STATE."""

    @property
    def chosen(self) -> SourceKind:
        """The kind with its settings."""
        kind = source_kinds()[self.kind]
        # A kind without settings has no section: `mirror` is the name of a directory.
        return getattr(self, self.kind) if kind.model_fields else kind()


def source_config(kinds: Mapping[str, type[SourceKind]]) -> type[_ChosenSource]:
    """The section `source`: one of these kinds, and a section for each that has settings."""
    sections = {name: kind for name, kind in kinds.items() if kind.model_fields}
    fields: dict[str, Any] = {
        "kind": (Literal[tuple(kinds)], ...),
        **{name: (kind, Field(default_factory=kind)) for name, kind in sections.items()},
    }
    return create_model(
        "SourceConfig",
        __base__=_ChosenSource,
        __doc__=_ChosenSource.__doc__,
        **fields,
    )


if TYPE_CHECKING:
    SourceConfig = _ChosenSource
else:
    SourceConfig = source_config(source_kinds())


class WorkersConfig(Noun):
    """What this machine can carry; never part of a release."""

    count: int | None = Field(default=None, ge=1)
    """Worker processes side by side; None: one per core, at most 8."""
    dataset_timeout_s: float = Field(default=240, gt=0)
    """Seconds for one stage of one dataset: inspecting, profiling, splitting."""
    executor: ExecutorConfig = ExecutorConfig()
    environments: Path | None = None
    """Where environments of older libraries are kept, which builds may share; None: in STATE."""

    @property
    def processes(self) -> int:
        """Worker processes side by side."""
        return self.count or min(os.cpu_count() or 1, 8)


if TYPE_CHECKING:

    class Gates(Noun):
        """What is known about the gates before they are found."""

        size: Size = Size()
else:
    Gates = create_model(
        "Gates",
        __base__=Noun,
        __doc__="One field for each gate, by its name; each gate is its own configuration.",
        **{gate.name: (gate, Field(default_factory=gate)) for gate in gate_classes()},
    )


class Settings(Noun):
    """All of a build's configuration; it travels as JSON, as a parameter of a deployed flow."""

    source: SourceConfig
    state: Path = Path(".opendare")
    """What a build remembers: store, ledger, logs."""
    store: str = ""
    """Address of the store, a folder or an fsspec URL that machines share; empty: in STATE."""
    out: Path = Path("build/release")
    """The release folder; replaced as a whole."""
    seed: int = Field(default=0, ge=0)
    """Every random choice of splits and tasks is derived from this and a stable key."""
    read: ReadConfig = ReadConfig()
    profile: ProfileConfig = ProfileConfig()
    propose: ProposeConfig = ProposeConfig()
    design: DesignConfig = DesignConfig()
    gates: Gates = Field(default_factory=Gates)
    environments: MatrixConfig = MatrixConfig()
    publish: PublishConfig = PublishConfig()
    workers: WorkersConfig = WorkersConfig()

    @field_validator("out")
    @classmethod
    def _replaces_nothing_else(cls, out: Path, others: ValidationInfo) -> Path:
        source: SourceConfig | None = others.data.get("source")
        mirror = source.mirror if source else None
        for place in (others.data.get("state"), Path.cwd(), mirror):
            if place is not None and place.resolve().is_relative_to(out.resolve()):
                raise ValueError(f"a folder of its own; this one holds {place}")
        if mirror is not None and out.resolve().is_relative_to(mirror.resolve()):
            raise ValueError(f"a folder outside the mirror {mirror}")
        return out

    @property
    def source_folder(self) -> Path:
        """Where datasets are read from: the mirror that is named, else one of the source's own."""
        return self.source.mirror or self.state / self.source.kind

    @property
    def splitting(self) -> Splitting:
        """All that decides a split but the data and the proposals."""
        return Splitting(config=self.design.split, size=self.gates.size, seed=self.seed)

    def gate_models(self) -> tuple[Gate, ...]:
        """The gates with their thresholds, in the order in which they run."""
        return tuple(getattr(self.gates, gate.name) for gate in gate_classes())


class _FromEnvironment(Settings, BaseSettings):
    """How the environment spells the settings; nothing else is made of it."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter=_NESTING)


@dataclass(frozen=True)
class _Layer:
    """Values of one origin, nested by section."""

    origin: str
    values: dict[str, Any]

    def depth(self, path: Sequence[int | str]) -> int:
        """How many steps of `path` this layer's values reach."""
        node: Any = self.values
        for steps, name in enumerate(path):
            if not isinstance(node, dict) or name not in node:
                return steps
            node = node[name]
        return len(path)


def load(
    config: Path,
    assignments: Sequence[str] = (),
    named: Mapping[str, str] | None = None,
    *,
    opens_source: bool = True,
) -> Settings:
    """Settings from `config`, the environment, and the command line, each overriding the last.

    `assignments` are texts `path.to.field=value`, values in YAML; `named` maps paths to texts that
    are taken as they stand and override everything. Raises `ConfigurationError`, and does so for a
    source that cannot be opened unless nobody will.
    """
    layers = (
        _Layer("the command line", _from_flags(assignments, named or {})),
        _Layer("the environment", _from_environment()),
        _Layer(str(config), _from_file(config)),
    )
    values: dict[str, Any] = {}
    for layer in reversed(layers):
        values = _merged(values, layer.values)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        lines = [_explain(detail, layers) for detail in error.errors()]
        raise ConfigurationError("\n".join(["wrong configuration:", *lines])) from None
    flaw = settings.source.chosen.flaw(settings.source.mirror) if opens_source else None
    if flaw is not None:
        raise ConfigurationError(f"wrong configuration:\n  {flaw.problem}: {flaw.repair}")
    return settings


def resolved(settings: Settings) -> dict[str, JsonValue]:
    """What `config.json` says: all that shapes a release.

    Without paths, the kind of source, and what this machine can carry, so that builds of the same
    data are equal wherever they ran.
    """
    shaping = settings.model_dump(
        exclude={
            "source": True,
            "state": True,
            "store": True,
            "out": True,
            "workers": True,
            "read": {"timeout_s", "memory_mb"},
        }
    )
    values: dict[str, JsonValue] = to_jsonable_python(_without_paths(shaping))
    return values


def _without_paths(node: Any) -> Any:
    """The same with null for every path, as where none is given."""
    if isinstance(node, dict):
        return {name: _without_paths(value) for name, value in node.items()}
    return None if isinstance(node, Path) else node


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Both; where they name the same value the upper one wins, sections are merged."""
    both = dict(below)
    for name, value in above.items():
        inner = both.get(name)
        if isinstance(inner, dict) and isinstance(value, dict):
            both[name] = _merged(inner, value)
        else:
            both[name] = value
    return both


def _from_file(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read configuration {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not YAML: {error}") from None
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ConfigurationError(f"{path} must hold sections by name, such as `source:`")
    return {name: value for name, value in values.items() if value is not None}


def _from_environment() -> dict[str, Any]:
    for variable in os.environ:
        name, nested, inner = variable.removeprefix(_PREFIX).lower().partition(_NESTING)
        if variable.startswith(_PREFIX) and nested and name not in Settings.model_fields:
            allowed = ", ".join(Settings.model_fields)
            raise ConfigurationError(
                f"environment variable {variable}: found section {name!r}; allowed: {allowed}"
                + renamed(f"{name}.{inner.replace(_NESTING, '.')}", None)
            )
    try:
        return EnvSettingsSource(_FromEnvironment)()
    except SettingsError as error:
        raise ConfigurationError(f"environment variables {_PREFIX}*: {error}") from None


def _from_flags(assignments: Sequence[str], named: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not all(path.split(".")):
            raise ConfigurationError(f"--set {assignment}: expected path.to.field=value")
        try:
            _put(values, path, yaml.safe_load(text))
        except yaml.YAMLError:
            raise ConfigurationError(f"--set {assignment}: the value is not YAML") from None
    for path, text in named.items():
        _put(values, path, text)
    return values


def _put(values: dict[str, Any], path: str, value: object) -> None:
    *sections, field = path.split(".")
    for section in sections:
        inner = values.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigurationError(f"--set {path}: {section} already has the value {inner!r}")
        values = inner
    values[field] = value


def _explain(detail: ErrorDetails, layers: Sequence[_Layer]) -> str:
    path = detail["loc"]
    # Of layers that reach equally far the first wins; what none names is missing in the file.
    nearest = max(layers, key=lambda layer: layer.depth(path))
    origin = (nearest if nearest.depth(path) else layers[-1]).origin
    where = ".".join(map(str, path))
    value, hint = repr(detail["input"]), ""
    if len(value) > _LONGEST_VALUE:
        value = f"{value[:_LONGEST_VALUE]}…"
    if detail["type"] == "missing":
        value = "nothing"
    if detail["type"] == "extra_forbidden":
        value = f"an unknown name with value {value}"
        allowed = ", ".join(_fields_at(path[:-1])) or "no name at all"
        hint = renamed(where, detail["input"])
    else:
        allowed = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"  {where or 'settings'}: found {value}; allowed: {allowed} (from {origin}){hint}"


def _fields_at(path: Sequence[int | str]) -> list[str]:
    """Names that the section at `path` may hold, as they are written."""
    model: type[BaseModel] | None = Settings
    for name in path:
        if isinstance(name, str) and model is not None:
            fields = {_written(key, field): field for key, field in model.model_fields.items()}
            model = _section(fields[name].annotation) if name in fields else None
    return [_written(key, field) for key, field in model.model_fields.items()] if model else []


def _written(name: str, field: FieldInfo) -> str:
    return field.alias or name


def _section(annotation: Any) -> type[BaseModel] | None:
    """The model of a field, or of the items of a field; None for plain values."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_section, get_args(annotation))), None)
