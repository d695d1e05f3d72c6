"""The knobs of a build under one root: a YAML file, then the environment, then the command line.

Every knob is a field of a small model beside the idea that reads it; here they are only nested.
`load` gives the settings or a `ConfigurationError` that names each wrong field, what was found,
what is allowed and where it came from; `resolved` gives what a release may say about them. Whether
the values make a good release is not judged here.

The environment says `OPENDARE_SEED=7` or `OPENDARE_GATES__NOT_CONSTANT__LARGEST_SHARE=0.95`, the
command line `--set gates.not_constant.largest_share=0.95`.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import yaml
from pydantic import (
    BaseModel,
    Field,
    JsonValue,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, to_jsonable_python
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from extract.evidence.evidence import EvidenceConfig
from extract.kaggle.source import KaggleConfig
from extract.noun import Noun
from extract.reading.limits import ReadConfig
from publish.settings import PublishConfig
from transform.plan_tasks import DesignConfig
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


class SourceConfig(Noun):
    """Where datasets come from."""

    kind: Literal["bundled", "mirror", "kaggle"]
    """`bundled`: real tables inside scikit-learn and statsmodels; `mirror`: a directory; `kaggle`:
    the service, with a directory as its cache."""
    mirror: Path | None = None
    """Directory in Kaggle's layout, `<owner>/<slug>/`; for `kaggle` the one that is filled, by
    default in STATE."""
    kaggle: KaggleConfig = KaggleConfig()

    @model_validator(mode="after")
    def _mirror_where_read(self) -> Self:
        if self.kind == "mirror" and (self.mirror is None or not self.mirror.is_dir()):
            found = "none" if self.mirror is None else f"{self.mirror}, which is no directory"
            raise ValueError(
                f"source.mirror names the directory, found {found}: use --mirror DIR "
                "(make: MIRROR=DIR)"
            )
        if self.kind == "kaggle" and not (self.kaggle.searches or self.kaggle.datasets):
            raise ValueError("source.kaggle names searches or datasets, see configs/kaggle.yaml")
        if self.kind == "bundled" and self.mirror is not None:
            raise ValueError(
                "no mirror, or source.kind mirror or kaggle: use --config configs/mirror.yaml "
                "(make: CONFIG=)"
            )
        return self


class WorkersConfig(Noun):
    """What this machine can carry; never part of a release."""

    count: int | None = Field(default=None, ge=1)
    """Worker processes side by side; None: one per core, at most 8."""
    design_timeout_s: float = Field(default=240, gt=0)
    """For profiling, proposing, splitting and laying out one dataset."""
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


class Settings(BaseSettings):
    """All of a build's configuration."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=_PREFIX,
        env_nested_delimiter=_NESTING,
        validate_default=True,
    )

    source: SourceConfig
    state: Path = Path(".opendare")
    """What a build remembers: store, ledger, logs."""
    out: Path = Path("build/release")
    """The release folder; replaced as a whole."""
    seed: int = Field(default=0, ge=0)
    """Every random choice of splits and tasks is derived from this and a stable key."""
    read: ReadConfig = ReadConfig()
    evidence: EvidenceConfig = EvidenceConfig()
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
    def cache(self) -> Path:
        """The directory that a source of kind `kaggle` fills."""
        return self.source.mirror or self.state / "kaggle"

    def gate_models(self) -> tuple[Gate, ...]:
        """The gates with their thresholds, in the order in which they run."""
        return tuple(getattr(self.gates, gate.name) for gate in gate_classes())


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
    config: Path, assignments: Sequence[str] = (), named: Mapping[str, str] | None = None
) -> Settings:
    """Settings from `config`, the environment, and the command line, each overriding the last.

    `assignments` are texts `path.to.field=value`, values in YAML; `named` maps paths to texts that
    are taken as they stand and override everything. Raises `ConfigurationError`.
    """
    layers = (
        _Layer("the command line", _from_flags(assignments, named or {})),
        _Layer("the environment", _from_environment()),
        _Layer(str(config), _from_file(config)),
    )
    sources = tuple(InitSettingsSource(Settings, layer.values) for layer in layers)
    try:
        return Settings(_build_sources=(sources, {}))
    except ValidationError as error:
        lines = [_explain(detail, layers) for detail in error.errors()]
        raise ConfigurationError("\n".join(["wrong configuration:", *lines])) from None


def resolved(settings: Settings) -> dict[str, JsonValue]:
    """What `config.json` says: all that shapes a release.

    Without paths, the kind of source, and what this machine can carry, so that builds of the same
    data are equal wherever they ran.
    """
    shaping = settings.model_dump(
        exclude={
            "source": True,
            "state": True,
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
        name, nested, _ = variable.removeprefix(_PREFIX).lower().partition(_NESTING)
        if variable.startswith(_PREFIX) and nested and name not in Settings.model_fields:
            allowed = ", ".join(Settings.model_fields)
            raise ConfigurationError(
                f"environment variable {variable}: found section {name!r}; allowed: {allowed}"
            )
    try:
        return EnvSettingsSource(Settings)()
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
    found = repr(detail["input"])
    if len(found) > _LONGEST_VALUE:
        found = f"{found[:_LONGEST_VALUE]}…"
    if detail["type"] == "missing":
        found = "nothing"
    if detail["type"] == "extra_forbidden":
        found = f"an unknown name with value {found}"
        allowed = ", ".join(_fields_at(path[:-1])) or "no name at all"
    else:
        allowed = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    where = ".".join(map(str, path))
    return f"  {where or 'settings'}: found {found}; allowed: {allowed} (from {origin})"


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
