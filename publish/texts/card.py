"""The dataset card: what `README.md` of a release says to people and to loaders.

Enter the counts of every config, the shipped tasks and the refusals; leaves Markdown with YAML
front matter. Every command on it is run by a test in a finished release. Text from outside stands
on it only escaped.
"""

from collections import Counter
from collections.abc import Sequence

import yaml

from extract.drop import Drop
from publish.data.gate_report import gate_rows
from publish.data.tasks import CANARY, Placed
from publish.release import SplitCount
from publish.selecting.license_tiers import DEFAULT, RECIPES
from publish.texts.attribution import licence_link
from transform.proposal import Problem
from validate.trial import Trial

_CATEGORIES: dict[Problem, str] = {
    "classification": "tabular-classification",
    "regression": "tabular-regression",
    "forecasting": "time-series-forecasting",
}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**9, "100K<n<1M"))

_ABOUT = """\
# OpenDARE

Data-science tasks with answers that a program can check. Each task is a question about files made
from a real public dataset: follow stated instructions exactly (`-if`), model a held-out target
freely (`-mm`), or forecast (`ts-`). Truth was computed by execution or held out from the source,
and every task passed the gates listed in its `checks`.
"""

_USE = """\
## Load

Run these in the folder of the release (`datasets` does not take `.` for it).

```python
from pathlib import Path

from datasets import load_dataset

tasks = load_dataset(str(Path.cwd()), "tasks", split="eval")
```

```python
import polars as pl

tasks = pl.read_parquet("data/tasks/eval-*.parquet")
```

```python
import duckdb

tasks = duckdb.sql("SELECT task_id, question FROM 'data/tasks/eval-*.parquet'").fetchall()
```

`datasets` remembers a folder by its name and its configs alone: where another one of that name was
read before, give `load_dataset` also `download_mode="force_redownload"` and
`verification_mode="no_checks"`.

Write the files of a task where a solver works:

```python
import tempfile
from pathlib import Path

import polars as pl

task = pl.read_parquet("data/tasks/eval-*.parquet").row(0, named=True)
contents = pl.scan_parquet("data/files/*.parquet")
work = Path(tempfile.mkdtemp(prefix="task-"))
for file in task["files"]:
    found = contents.filter(pl.col("sha256") == file["sha256"]).collect()
    (work / file["name"]).write_bytes(found["content"][0])
print(work)
```

## Score

A solver leaves `prediction.csv`, here beside the release. Scoring needs Python with numpy and
pyarrow, this folder, and nothing else:

```bash
python score.py --release . --task {task_id} ../prediction.csv
```

The result is one JSON object with score, reward and a reason code. `--predictions DIR` scores
`<task_id>/prediction.csv` for every task; a missing prediction counts 0.

## Train

The rows of `tasks` have the columns that verl reads (`data_source`, `prompt`, `ability`,
`reward_model`, `extra_info`); give the Parquet files of the split `train` as its training files.
For other trainers `prompt` is a list of messages and all other columns are arguments of a reward:

```python
from pathlib import Path

from score import load_answers, score

answers = {answer.task_id: answer for answer in load_answers(".", split="train")}


def reward(task_id: str, work: Path) -> float:
    return score(answers[task_id], work / "prediction.csv", "peer").reward
```

Give a solver the question and the files, keep `data/answers` out of its reach, and train on the
split `train` only.
"""

_RECIPES = """\
## Recipes

The licences of some sources allow no copy. Of their {n} tasks, in the config `{config}`, this
release holds questions, proofs, the hashes of files and truth, and how both are made; it holds no
row of the data (a question names columns, and single values where a step needs them). With the
`opendare` program and your own access to Kaggle,

```text
opendare restore DIR
```

fetches the sources, makes files and answers again in this folder, `DIR`, and compares every hash;
`--config configs/mirror.yaml --mirror DIRECTORY` reads them from a directory instead. Afterwards
the tasks are graded like all others; `score.py` leaves them out before. In the config `answers` a
restored task has a second row, with truth. What was restored is yours, not the release's: the
manifest does not list it. `datasets` needs to be told to read the folder again, see above.
"""

_LIMITS = """\
## Known issues and limits

- The data is as true as its sources; descriptions in `metadata.md` are untrusted text.
- Sources are public, so a model may have seen the held-out values; the freshest sources are `eval`.
- Near-duplicate sources are recognised only where `sources.cluster` says so.
- `baselines` holds the scores of scripted solvers, `floor` the best trivial one, `ceiling`
the best of all, `difficulty` 1 - `ceiling`. They are null for `-if`, whose baseline_scores says
what the reference reaches on the true targets. What language models find hard is not measured.
- Domain and language are labels by keyword.
- Every row bears the canary `{canary}`. Please leave files that contain it out of pre-training.
- `answer_hash` in `reward_model.ground_truth` is `sha256(salt + ":" + sha256 of the truth file)`,
  in hexadecimal, with `salt = sha256("opendare:" + task_key)`. It proves an answer and gives none
  away.

## Citation

```bibtex
@misc{{opendare,
  title = {{OpenDARE: verifiable data-science tasks from public tables}},
  note = {{Release {release}}}
}}
```
"""


def card(
    release: str,
    counts: Sequence[SplitCount],
    placed: Sequence[Placed],
    rejects: Sequence[Drop],
    trials: Sequence[Trial],
) -> str:
    """The whole text of `README.md`."""
    evals = (e.task.spec.task_id for e in placed if (e.config, e.side) == (DEFAULT, "eval"))
    parts = [
        f"---\n{_front_matter(counts, placed)}---\n",
        _ABOUT,
        f"## Contents\n\n{_config_table(counts)}\n{_task_table(placed)}",
        _USE.replace("{task_id}", min(evals)),
        f"## How tasks were refused\n\n{_funnel(rejects)}",
        f"## What the gates did\n\n{_gates(trials)}",
        f"## Licences\n\n{_licences(placed)}",
        *_recipes(placed),
        _LIMITS.format(canary=CANARY, release=release),
    ]
    return "\n".join(parts)


def _front_matter(counts: Sequence[SplitCount], placed: Sequence[Placed]) -> str:
    problems = {entry.task.spec.instructions.problem for entry in placed}
    body = {
        "pretty_name": "OpenDARE",
        "license": "other",
        "license_name": "per-source",
        "license_link": "LICENSES.md",
        "language": ["en"],
        "task_categories": [text for problem, text in _CATEGORIES.items() if problem in problems],
        "tags": ["data-science", "tabular", "agents", "verifiable-rewards"],
        "size_categories": [next(name for most, name in _SIZES if len(placed) < most)],
        "configs": _configs(counts),
    }
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True)


def _configs(counts: Sequence[SplitCount]) -> list[dict[str, object]]:
    """All configs with rows: `datasets` raises on a split without any."""
    configs: list[dict[str, object]] = []
    for name in dict.fromkeys(count.config for count in counts if count.rows):
        files = [{"split": c.split, "path": c.path} for c in counts if c.config == name]
        default = {"default": True} if name == DEFAULT else {}
        configs.append({"config_name": name, **default, "data_files": files})
    return configs


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def _config_table(counts: Sequence[SplitCount]) -> str:
    rows = [(f"`{c.config}`", f"`{c.split}`", c.rows, f"`{c.path}`") for c in counts]
    return _table(("config", "split", "rows", "files"), rows)


def _task_table(placed: Sequence[Placed]) -> str:
    tasks: Counter[tuple[str, str]] = Counter()
    sources: dict[tuple[str, str], set[str]] = {}
    for entry in placed:
        for variant in (entry.task.spec.instructions.variant, "all"):
            tasks[variant, entry.side] += 1
            sources.setdefault((variant, entry.side), set()).add(entry.source.ref.key)
    variants = sorted({variant for variant, _ in tasks} - {"all"})
    cells = [(variant, side) for variant in [*variants, "all"] for side in ("train", "eval")]
    rows = [(v, s, tasks[v, s], len(sources.get((v, s), ()))) for v, s in cells]
    return _table(("variant", "split", "tasks", "sources"), rows)


def _funnel(rejects: Sequence[Drop]) -> str:
    if not rejects:
        return "Nothing was refused.\n"
    rooms = ("extract", "transform", "validate", "publish")
    counts = Counter((drop.room, drop.reason) for drop in rejects)
    ordered = sorted(counts.items(), key=lambda item: (rooms.index(item[0][0]), -item[1], item[0]))
    rows = [(room, f"`{reason}`", count) for (room, reason), count in ordered]
    return _table(("room", "reason", "refused"), rows) + "\nOne row each in the config `rejects`.\n"


def _gates(trials: Sequence[Trial]) -> str:
    """Summed over variants; what no gate refused needs no line."""
    totals: dict[str, list[int]] = {}
    for gate, _, *counts in gate_rows(trials):
        total = totals.setdefault(str(gate), [0] * len(counts))
        totals[str(gate)] = [a + int(b) for a, b in zip(total, counts, strict=True)]
    rows = [(f"`{gate}`", *counts) for gate, counts in totals.items() if any(counts[1:])]
    if not rows:
        return "No gate refused anything.\n"
    table = _table(("gate", "tried", "refused at first", "mended", "lost"), rows)
    return f"{table}\nBy variant in `report/gates.csv`; by kind of step in `report/steps.csv`.\n"


def _recipes(placed: Sequence[Placed]) -> list[str]:
    n = sum(entry.is_recipe for entry in placed)
    return [_RECIPES.format(n=n, config=RECIPES)] if n else []


def _licences(placed: Sequence[Placed]) -> str:
    sources = {entry.source.ref.key: (entry.source.licence, entry.config) for entry in placed}
    tasks = Counter(entry.source.licence.spdx for entry in placed)
    groups = Counter((lic.tier, config, lic.spdx) for lic, config in sources.values())
    rows = [
        (tier, f"`{config}`", licence_link(spdx), n, tasks[spdx])
        for (tier, config, spdx), n in sorted(groups.items())
    ]
    table = _table(("tier", "config", "licence", "sources", "tasks"), rows)
    text = "Every row names its licence; creators, addresses and changes are in `LICENSES.md`."
    return f"{table}\n{text} The default config holds the open tier only.\n"
