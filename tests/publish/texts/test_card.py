"""The card's commands run in a finished release, and loaders find every config."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
import yaml

from extract.drop import Drop
from tests.publish.conftest import STORE, publish_all

HOSTILE = "<script>alert(1)</script>|[x](javascript:y)"


@pytest.fixture
def release(workshop: Any, build: Any, tmp_path: Path) -> Path:
    fields = {"title": HOSTILE, "creator": HOSTILE, "url": "javascript:alert(1)"}
    build.sources[5] = build.sources[5].model_copy(update=fields)
    drop = Drop(
        key="ann/x",
        source="ann/x",
        room="validate",
        reason="not_learnable",
        detail=HOSTILE,
        evidence=HOSTILE,
    )
    publish_all(build.released, build.sources, tmp_path / "release", [drop])
    return tmp_path / "release"


def _blocks(release: Path, language: str) -> list[str]:
    text = (release / "README.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def _environment(home: Path) -> dict[str, str]:
    return os.environ | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}


def _run(command: list[str], folder: Path, home: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, env=_environment(home), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_front_matter_has_one_default_and_a_licence(release: Path) -> None:
    text = (release / "README.md").read_text()
    matter = yaml.safe_load(text.split("---\n")[1])
    configs = {config["config_name"]: config for config in matter["configs"]}
    assert [name for name, config in configs.items() if config.get("default")] == ["tasks"]
    assert matter["license"] == "other"
    assert (release / matter["license_link"]).exists()
    assert matter["size_categories"] == ["n<1K"]
    for config in configs.values():
        for entry in config["data_files"]:
            assert list(release.glob(entry["path"])), entry
    folders = {path.name for path in (release / "data").iterdir()}
    assert set(configs) == folders


def test_text_from_outside_is_escaped(release: Path) -> None:
    for name in ("README.md", "LICENSES.md", "CHANGELOG.md"):
        text = (release / name).read_text()
        assert "<script" not in text
        assert "](javascript" not in text
        assert "<javascript" not in text
    assert r"\[x\]\(javascript:y\)" in (release / "LICENSES.md").read_text()


def test_attribution_names_creator_licence_and_changes(release: Path) -> None:
    text = (release / "LICENSES.md").read_text()
    section = text[text.index("## Homes of open0") : text.index("## Homes of open1")]
    assert "- Creator: Ann\n" in section
    assert r"- Address: [https://example\.org/ann/open0](https://example.org/ann/open0)" in section
    assert "- Version: `ann/open0/2`\n" in section
    assert "[CC0-1.0](https://spdx.org/licenses/CC0-1.0.html)" in section
    assert "columns of homes renamed: AREA to area" in section
    assert "errors put into training tables on purpose: duplicates" in section
    assert text.count("\n## ") == 8


@pytest.mark.slow
def test_python_blocks_run(release: Path, tmp_path: Path) -> None:
    blocks = _blocks(release, "python")
    assert len(blocks) == 5
    printed = [_run([sys.executable, "-c", block], release, tmp_path / "hf") for block in blocks]
    work = Path("".join(printed).strip())
    assert (work / "metadata.md").read_bytes() == b"# Homes\n"
    shutil.rmtree(work)


def test_score_command_runs(release: Path, build: Any, tmp_path: Path) -> None:
    (block,) = _blocks(release, "bash")
    program, script, *arguments = block.split()
    assert (program, script) == ("python", "score.py")
    key = arguments[arguments.index("--task") + 1]
    task = next(item.task for item in build.released if item.task.spec.task_id == key)
    pl.read_parquet(STORE.path(task.truth.sha256)).write_csv(release.parent / "prediction.csv")
    result = json.loads(_run([sys.executable, script, *arguments], release, tmp_path))
    assert (result["score"], result["reason"]) == (1.0, "ok")


_LOAD = """
import json, sys
import yaml
from datasets import get_dataset_config_names, load_dataset

release = sys.argv[1]
matter = yaml.safe_load(open(f"{release}/README.md").read().split("---\\n")[1])
rows = {}
for config in matter["configs"]:
    for entry in config["data_files"]:
        data = load_dataset(release, config["config_name"], split=entry["split"])
        list(data)
        rows[f"{config['config_name']} {entry['split']}"] = len(data)
rows["default"] = len(load_dataset(release, split="eval"))
names = {config["config_name"] for config in matter["configs"]}
assert set(get_dataset_config_names(release)) == names
print(json.dumps(rows))
"""


@pytest.mark.slow
@pytest.mark.parametrize("empty", [False, True], ids=["rejects", "no rejects"])
def test_datasets_loads_every_config(build: Any, tmp_path: Path, empty: bool) -> None:
    drop = Drop(key="a/x", source="a/x", room="extract", reason="no_table", detail="none")
    rejects = [] if empty else [drop]
    release = publish_all(build.released, build.sources, tmp_path / "r", rejects)
    command = [sys.executable, "-c", _LOAD, str(tmp_path / "r")]
    rows = json.loads(_run(command, tmp_path, tmp_path / "hf").splitlines()[-1])
    expected = {f"{c.config} {c.split}": c.rows for c in release.counts if c.rows}
    assert ("rejects train" in rows) != empty
    assert rows == expected | {"default": expected["tasks eval"]}


def test_polars_and_duckdb_load_every_config(release: Path) -> None:
    matter = yaml.safe_load((release / "README.md").read_text().split("---\n")[1])
    for config in matter["configs"]:
        for entry in config["data_files"]:
            pattern = str(release / entry["path"])
            counted = duckdb.sql("SELECT count(*) FROM read_parquet($1)", params=[pattern])
            assert pl.read_parquet(pattern).height == counted.fetchall()[0][0]
    joined = duckdb.sql(
        "SELECT count(*) FROM (SELECT unnest(files, recursive := true) FROM read_parquet($1)) f "
        "JOIN read_parquet($2) c USING (sha256) WHERE octet_length(c.content) = f.bytes",
        params=[str(release / "data/tasks/*.parquet"), str(release / "data/files/*.parquet")],
    )
    assert joined.fetchall()[0][0] == 15 * 3 - 3


def test_a_copy_elsewhere_is_the_same_release(release: Path, tmp_path: Path) -> None:
    shutil.copytree(release, tmp_path / "a=b" / "copy")
    copied = tmp_path / "a=b" / "copy"
    columns = pl.read_parquet(copied / "data/tasks/eval-00000-of-00001.parquet").columns
    assert "a" not in columns
