"""What a setting of an older version is called today, for the message that refuses it.

Takes a path that the settings do not know, and its value; returns a hint for each older setting in
it. The longest path of the table that begins it decides. Nothing is renamed silently: a setting
that moved may also mean something a little different, so a person reads its docstring once.
"""

from collections.abc import Iterator

_CONSTANT = None
"""Nobody turned it: the value stands beside the idea that reads it, with its reason."""

_SERVICE, _PROPOSE, _TARGETS = "source.kaggle.service", "design.propose", "design.propose.targets"
_INSTRUCTION, _LIMITS = "design.instruction", "gates.size.limits"

RENAMED: dict[str, str | None] = {
    "source.kaggle.crawl": _CONSTANT,
    "source.kaggle.unzip": _CONSTANT,
    _SERVICE: _CONSTANT,
    f"{_SERVICE}.call_timeout_s": "source.kaggle.call_timeout_s",
    f"{_SERVICE}.connections": "source.kaggle.connections",
    f"{_SERVICE}.patience.attempts": "source.kaggle.attempts",
    f"{_SERVICE}.patience.calls_per_minute": "source.kaggle.calls_per_minute",
    f"{_SERVICE}.transfer.max_bytes": "source.kaggle.max_bytes",
    "read.max_expansion": _CONSTANT,
    "read.max_files": _CONSTANT,
    "evidence": _CONSTANT,
    _PROPOSE: _CONSTANT,
    f"{_PROPOSE}.tables": "profile.tables",
    f"{_PROPOSE}.forecasts": "propose.forecasts",
    f"{_PROPOSE}.several_targets": "propose.several_targets",
    f"{_TARGETS}.targets": "propose.targets",
    f"{_TARGETS}.max_features": "profile.max_features",
    f"{_TARGETS}.min_skill": "profile.min_skill",
    f"{_TARGETS}.max_score": "profile.max_score",
    "design.split.largest_share": _CONSTANT,
    "design.split.largest_unit": _CONSTANT,
    "design.split.attempts": _CONSTANT,
    f"{_INSTRUCTION}.models_tried": _CONSTANT,
    f"{_INSTRUCTION}.max_rules_of_kind": _CONSTANT,
    f"{_INSTRUCTION}.attempts": _CONSTANT,
    f"{_INSTRUCTION}.holes": _CONSTANT,
    f"{_INSTRUCTION}.reference": _CONSTANT,
    f"{_INSTRUCTION}.noise": _CONSTANT,
    f"{_INSTRUCTION}.noise.share": f"{_INSTRUCTION}.noise_share",
    f"{_INSTRUCTION}.noise.min_kinds": f"{_INSTRUCTION}.min_noise_kinds",
    f"{_INSTRUCTION}.good_steps": _CONSTANT,
    f"{_INSTRUCTION}.min_margin": _CONSTANT,
    "design.forecasting.max_horizon": _CONSTANT,
    "design.series_instruction": _CONSTANT,
    _LIMITS: _CONSTANT,
    f"{_LIMITS}.min_train_rows": "gates.size.min_train_rows",
    f"{_LIMITS}.min_val_rows": "gates.size.min_val_rows",
    f"{_LIMITS}.min_class_rows": "gates.size.min_class_rows",
    f"{_LIMITS}.min_instants": "gates.size.min_instants",
    f"{_LIMITS}.min_history": "gates.size.min_history",
    "gates.duplicates": _CONSTANT,
    "gates.leak.tabular": _CONSTANT,
    "gates.leak.tabular.one_feature": "gates.leak.single_feature_score",
    "gates.leak.forecast": _CONSTANT,
    "gates.reproducible.share_of_tolerance": _CONSTANT,
    "gates.sensitive.min_steps": _CONSTANT,
    "gates.sensitive.violations_share": _CONSTANT,
    "panel": "environments",
    "panel.generations": "environments.library_versions",
    "publish.lanes": "publish.tiers",
    "publish.row.timeout_s": "publish.timeout_s",
    "publish.row.max_turns": "publish.max_turns",
    "workers.design_timeout_s": "workers.dataset_timeout_s",
    "workers.lab": "workers.executor",
}
"""Older path to the present one; of two paths that fit the longer decides."""


def renamed(path: str, value: object) -> str:
    """A line for each setting at or below `path` that an older version had; each begins anew."""
    return "".join(f"\n    {line}" for line in _hints(path, value))


def _hints(path: str, value: object) -> list[str]:
    if isinstance(value, dict) and value:
        return [line for name in value for line in _hints(f"{path}.{name}", value[name])]
    *_, older = ("", *_beginnings(path))
    if not older:
        return []
    today = RENAMED[older]
    if today is None:
        return [f"{path} is a constant today: leave it out"]
    return [f"{path} is called {today}{path.removeprefix(older)} today"]


def _beginnings(path: str) -> Iterator[str]:
    """Paths of the table that are `path` or a section around it, the longest last."""
    names = path.split(".")
    for n in range(1, len(names) + 1):
        if (beginning := ".".join(names[:n])) in RENAMED:
            yield beginning
