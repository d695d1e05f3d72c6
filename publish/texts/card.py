"""The dataset card: what `README.md` of a release says to people and to loaders.

Takes the counts of every config, the shipped tasks, the refusals and the trials; writes Markdown
with YAML front matter. The text itself is the template `card.md.j2`, here are only its values.
Every command on it is run by a test in a finished release. The template does not escape: what comes
from outside must be escaped by the filter `escaped`, or be a name of a fixed form (a task id, a
reason, an SPDX id), as all of today's values are.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from extract.drop import Drop
from publish.data.gate_report import gate_rows
from publish.data.tasks import CANARY
from publish.release import SplitCount
from publish.released_task import ReleasedTask
from publish.selecting.license_tiers import DEFAULT_CONFIG, RECIPE_CONFIG
from publish.texts.attribution import licence_link
from publish.writer import ReleaseContents, TextWriter
from transform.files.markdown import escaped
from transform.proposal import Problem
from validate.trial import Trial

_CATEGORIES: dict[Problem, str] = {
    "classification": "tabular-classification",
    "regression": "tabular-regression",
    "forecasting": "time-series-forecasting",
}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**9, "100K<n<1M"))
_ROOMS = ("extract", "transform", "validate", "publish")

_Row = Mapping[str, Any]


class Card(TextWriter):
    """Writes `README.md`, after all others, since it counts what they wrote."""

    name = "README.md"
    order = 1000

    def text(self, contents: ReleaseContents) -> str:
        """The template filled in."""
        # A value that the template names and nobody computes is a mistake of ours, not a gap.
        templates = Environment(
            loader=PackageLoader("publish", "texts"),
            autoescape=False,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        templates.filters["escaped"] = escaped
        return templates.get_template("card.md.j2").render(_values(contents))


def _values(contents: ReleaseContents) -> _Row:
    """All that the template names."""
    is_one_sided = contents.settings.one_sided
    split = "train" if is_one_sided else "eval"
    shown = [e for e in contents.tasks if (e.config, e.side) == (DEFAULT_CONFIG, split)]
    return {
        "front_matter": _front_matter(contents.counts, contents.tasks),
        "one_sided": is_one_sided,
        "split": split,
        "example": min(entry.task_id for entry in shown),
        "counts": contents.counts,
        "variants": _variants(contents.tasks),
        "refusals": _refusals(contents.rejects),
        "gates": _gates(contents.trials),
        "licences": _licences(contents.tasks),
        "n_recipes": sum(entry.is_recipe for entry in contents.tasks),
        "recipe_config": RECIPE_CONFIG,
        "canary": CANARY,
        "release": contents.settings.release,
    }


def _front_matter(counts: Sequence[SplitCount], tasks: Sequence[ReleasedTask]) -> str:
    problems = {entry.task.spec.instructions.problem for entry in tasks}
    body = {
        "pretty_name": "OpenDARE",
        "license": "other",
        "license_name": "per-source",
        "license_link": "LICENSES.md",
        "language": ["en"],
        "task_categories": [text for problem, text in _CATEGORIES.items() if problem in problems],
        "tags": ["data-science", "tabular", "agents", "verifiable-rewards"],
        "size_categories": [next(name for most, name in _SIZES if len(tasks) < most)],
        "configs": _configs(counts),
    }
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True)


def _configs(counts: Sequence[SplitCount]) -> list[_Row]:
    """All configs with rows: `datasets` raises on a split without any."""
    configs: list[_Row] = []
    for name in dict.fromkeys(count.config for count in counts if count.rows):
        files = [{"split": c.split, "path": c.path} for c in counts if c.config == name]
        default = {"default": True} if name == DEFAULT_CONFIG else {}
        configs.append({"config_name": name, **default, "data_files": files})
    return configs


def _variants(tasks: Sequence[ReleasedTask]) -> list[_Row]:
    """Tasks and their sources by variant and side, all variants together at the end."""
    variants = sorted({entry.task.spec.instructions.variant for entry in tasks})
    rows: list[_Row] = []
    for name in (*variants, "all"):
        for side in ("train", "eval"):
            counted = [
                entry.source.ref.key
                for entry in tasks
                if entry.side == side and name in (entry.task.spec.instructions.variant, "all")
            ]
            sources = len(set(counted))
            rows.append({"variant": name, "side": side, "tasks": len(counted), "sources": sources})
    return rows


def _refusals(rejects: Sequence[Drop]) -> list[_Row]:
    """Numbers by room and reason: rooms as data passes them, the most frequent reason first."""
    counts = Counter((drop.room, drop.reason) for drop in rejects)
    ordered = sorted(counts.items(), key=lambda item: (_ROOMS.index(item[0][0]), -item[1], item[0]))
    return [{"room": room, "reason": reason, "n": n} for (room, reason), n in ordered]


def _gates(trials: Sequence[Trial]) -> list[_Row]:
    """Summed over variants; what no gate refused needs no line."""
    totals: dict[str, list[int]] = {}
    for gate, _, *counts in gate_rows(trials):
        total = totals.setdefault(str(gate), [0] * len(counts))
        totals[str(gate)] = [a + int(b) for a, b in zip(total, counts, strict=True)]
    return [{"gate": gate, "counts": counts} for gate, counts in totals.items() if any(counts[1:])]


def _licences(tasks: Sequence[ReleasedTask]) -> list[_Row]:
    """Sources and tasks by tier, config and licence."""
    sources = {entry.source.ref.key: (entry.source.licence, entry.config) for entry in tasks}
    n_tasks = Counter(entry.source.licence.spdx for entry in tasks)
    groups = Counter((lic.tier, config, lic.spdx) for lic, config in sources.values())
    return [
        {
            "tier": tier,
            "config": config,
            "link": licence_link(spdx),
            "sources": n_sources,
            "tasks": n_tasks[spdx],
        }
        for (tier, config, spdx), n_sources in sorted(groups.items())
    ]
