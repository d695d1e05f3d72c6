"""The walk through the room: what is written, what is refused, and that nothing else differs."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from extract.drop import Drop
from publish.data.manifest import read_manifest
from publish.recipes.restored_shards import restored_shards
from publish.release import ProvenTask, PublishError, Recipe
from publish.selecting.license_tiers import LicenceTiersConfig
from publish.selecting.split import SplitEvidence
from publish.settings import PublishConfig
from tests.publish.conftest import STORE, publish_all
from transform.plan import Repair
from validate.verdict import Check, Verdict

REJECT = Drop(
    key="ann/dead",
    source="ann/dead",
    room="extract",
    reason="no_table",
    detail="found <script>alert(1)</script>",
    value=0.0,
)
CONFIG = PublishConfig()


def _run(build: Any, out: Path, **changes: Any) -> Any:
    fields = {"rejects": [REJECT], "config": CONFIG, "resolved": {"seed": 1}} | changes
    made = {"released": build.released, "sources": build.sources} if build else {}
    given = made | {"out": out} | fields
    return publish_all(**given)


def _bytes(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }


def _rows(folder: Path, pattern: str) -> list[dict[str, Any]]:
    paths = sorted(folder.glob(pattern))
    assert paths, f"no file {pattern}"
    return [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]


def test_writes_the_contract(build: Any, tmp_path: Path) -> None:
    out = tmp_path / "release"
    release = _run(build, out)
    assert sorted(_bytes(out)) == [
        "CHANGELOG.md",
        "LICENSES.md",
        "README.md",
        "config.json",
        "data/answers/open-00000-of-00001.parquet",
        "data/answers/share-alike-00000-of-00001.parquet",
        "data/files/open-00000-of-00001.parquet",
        "data/files/share-alike-00000-of-00001.parquet",
        "data/lite/eval-00000-of-00001.parquet",
        "data/rejects/rejects-00000-of-00001.parquet",
        "data/sources/sources-00000-of-00001.parquet",
        "data/tasks/eval-00000-of-00001.parquet",
        "data/tasks/train-00000-of-00001.parquet",
        "data/tasks_share-alike/eval-00000-of-00001.parquet",
        "data/tasks_share-alike/train-00000-of-00001.parquet",
        "manifest.json",
        "report/gates.csv",
        "report/steps.csv",
        "score.py",
    ]
    assert (out / "score.py").read_bytes() == Path("validate/score.py").read_bytes()
    assert json.loads((out / "config.json").read_text()) == {"seed": 1}
    assert read_manifest(out) == release.files
    assert {f.path: f.sha256 for f in release.files}.items() <= _bytes(out).items()
    assert [(c.config, c.split, c.rows) for c in release.counts] == [
        ("tasks", "train", 12),
        ("tasks", "eval", 3),
        ("tasks_share-alike", "train", 1),
        ("tasks_share-alike", "eval", 1),
        ("lite", "eval", 3),
        ("files", "train", 32),
        ("answers", "train", 17),
        ("sources", "train", 8),
        ("rejects", "train", 1),
    ]


def test_evaluates_on_the_freshest_source(build: Any, tmp_path: Path) -> None:
    _run(build, tmp_path / "release")
    evals = _rows(tmp_path / "release", "data/tasks/eval-*.parquet")
    assert {row["source_ref"] for row in evals} == {"ann/open5"}
    assert [row["extra_info"]["index"] for row in evals] == [0, 1, 2]
    train = _rows(tmp_path / "release", "data/tasks/train-*.parquet")
    assert "ann/open5" not in {row["source_ref"] for row in train}
    assert [row["task_id"] for row in train] == sorted(row["task_id"] for row in train)


def test_same_bytes_whatever_the_order_and_place(make_build: Any, tmp_path: Path) -> None:
    one, other = make_build(tmp_path / "one"), make_build(tmp_path / "elsewhere" / "other")
    drops = [REJECT, REJECT.model_copy(update={"key": "ann/also", "source": "ann/also"})]
    _run(one, tmp_path / "a", rejects=drops)
    other.released.reverse()
    other.sources.reverse()
    _run(other, tmp_path / "deep" / "b", rejects=drops[::-1])
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "deep" / "b")
    for name in ("README.md", "LICENSES.md", "config.json", "manifest.json"):
        assert str(tmp_path) not in (tmp_path / "a" / name).read_text()


def test_touches_nothing_when_nothing_changed(build: Any, tmp_path: Path) -> None:
    out = tmp_path / "release"
    assert _run(build, out).changed
    inode = (out / "manifest.json").stat().st_ino
    assert not _run(build, out).changed
    assert (out / "manifest.json").stat().st_ino == inode
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_empty_table_of_rejects_is_written(build: Any, tmp_path: Path) -> None:
    _run(build, tmp_path / "release", rejects=[])
    assert _rows(tmp_path / "release", "data/rejects/*.parquet") == []


def test_one_open_source_stops_the_build(workshop: Any, build: Any, tmp_path: Path) -> None:
    single = workshop.source("single")
    item = workshop.released(single)
    alike = [item for item in build.released if "alike" in item.task.spec.task_id]
    with pytest.raises(PublishError, match=r"at least 2 unrelated sources.*found 1: ann/single"):
        _run(build, tmp_path / "r", released=[item, *alike], sources=[single, *build.sources])
    assert not (tmp_path / "r").exists()


def test_twins_stand_on_one_side(build: Any, tmp_path: Path) -> None:
    near_duplicates = dict.fromkeys(["ann/open5", "ann/alike1", "ann/open0"], "twin")
    ages = {source.ref.key: source.updated_at for source in build.sources}
    _run(build, tmp_path / "r", evidence=SplitEvidence(freshness=ages, clusters=near_duplicates))
    sides = {
        row["source_ref"]: row["extra_info"]["split"]
        for row in _rows(tmp_path / "r", "data/tasks*/*.parquet")
    }
    assert len({sides[ref] for ref in near_duplicates}) == 1
    clusters = {row["ref"]: row["cluster"] for row in _rows(tmp_path / "r", "data/sources/*")}
    assert clusters["ann/open0"] == "twin"
    assert clusters["ann/open1"] is None


def test_a_tier_with_one_source_is_refused_and_says_so(build: Any, tmp_path: Path) -> None:
    kept = [item for item in build.released if "alike1" not in item.task.spec.task_id]
    release = _run(build, tmp_path / "r", released=kept)
    assert [drop.reason for drop in release.refused] == ["tier_too_small"]
    assert not (tmp_path / "r" / "data" / "tasks_share-alike").exists()
    rejects = _rows(tmp_path / "r", "data/rejects/*.parquet")
    assert [(row["reason"], row["room"]) for row in rejects if row["variant"] == "reg-mm"] == [
        ("tier_too_small", "publish")
    ]


def test_recipes_and_rows_that_are_too_large_are_refused(
    workshop: Any, build: Any, tmp_path: Path
) -> None:
    recipe = workshop.source("recipe", tier="recipe-only")
    large = workshop.source("large")
    items = [workshop.released(recipe), workshop.released(large, question="x" * 1_000_000)]
    sources = [*build.sources, recipe, large]
    given = {"released": [*build.released, *items], "sources": sources}
    config = PublishConfig(tiers=LicenceTiersConfig(recipe_only=None))
    release = _run(build, tmp_path / "r", **given, config=config)
    assert [drop.reason for drop in release.refused] == ["row_too_large", "tier_withheld"]
    assert "recipe-only is not released" in release.refused[1].detail


def test_tier_may_share_a_config(workshop: Any, build: Any, tmp_path: Path) -> None:
    """Alone neither tier could have both sides; together they have."""
    bought = workshop.source("bought", "2011-01-01", tier="non-commercial")
    items = [i for i in build.released if "alike1" not in i.task.spec.task_id]
    released, sources = [*items, workshop.released(bought)], [*build.sources, bought]
    tiers = LicenceTiersConfig(share_alike="tasks_restricted", non_commercial="tasks_restricted")
    config = PublishConfig(tiers=tiers)
    release = _run(build, tmp_path / "r", released=released, sources=sources, config=config)
    assert release.refused == ()
    rows = _rows(tmp_path / "r", "data/tasks_restricted/*.parquet")
    assert {row["license_tier"] for row in rows} == {"share-alike", "non-commercial"}
    assert {row["extra_info"]["split"] for row in rows} == {"train", "eval"}
    shards = {path.name for path in (tmp_path / "r" / "data" / "files").iterdir()}
    assert shards == {
        f"{tier}-00000-of-00001.parquet" for tier in ("open", "share-alike", "non-commercial")
    }
    assert "| non-commercial | `tasks_restricted` |" in (tmp_path / "r" / "README.md").read_text()


def test_a_recipe_is_searched_as_it_will_be_restored(
    workshop: Any, build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    withheld = [workshop.source(f"kept{i}", f"201{i}-01-01", tier="recipe-only") for i in range(2)]
    items = [workshop.released(source) for source in withheld]
    showing = workshop.released(withheld[0], "reg-if", train=workshop.rows(withheld[0]))
    recipes = {item.task.spec.task_id: _recipe(item) for item in [*items, showing]}
    # Invented tables lead to no recipe.
    monkeypatch.setattr("publish.folder.recipes_of", lambda *parts: recipes)
    given = {
        "released": [*build.released, *items, showing],
        "sources": [*build.sources, *withheld],
    }
    release = _run(build, tmp_path / "r", **given)
    assert [(drop.key, drop.reason) for drop in release.refused] == [
        (showing.task.spec.task_id, "shows_answer")
    ]
    rows = _rows(tmp_path / "r", "data/tasks_recipe/*.parquet")
    assert len(rows) == 2
    stored = {row["sha256"] for row in _rows(tmp_path / "r", "data/files/*.parquet")}
    assert not stored & {
        file["sha256"] for row in rows for file in row["files"] if "csv" in file["name"]
    }
    assert restored_shards(tmp_path / "r") == []


def _recipe(item: ProvenTask) -> Recipe:
    spec = item.task.spec
    return Recipe(
        source=spec.source,
        source_sha256=spec.source_sha256,
        columns=(),
        table_sha256="0" * 64,
        proposals=(),
        chosen=0,
        variant=spec.instructions.variant,
        repair=Repair(),
        versions={},
    )


def test_a_task_that_shows_anothers_answer_is_withheld(
    workshop: Any, build: Any, tmp_path: Path
) -> None:
    source = workshop.source("leaky", "2001-01-01")
    good = workshop.released(source, "reg-mm")
    train = workshop.rows(source)
    bad = workshop.released(source, "reg-if", train=train)
    given = {"released": [*build.released, good, bad], "sources": [*build.sources, source]}
    release = _run(build, tmp_path / "r", **given)
    assert [(drop.key, drop.reason) for drop in release.refused] == [
        (bad.task.spec.task_id, "shows_answer")
    ]
    ids = {row["task_id"] for row in _rows(tmp_path / "r", "data/tasks/*.parquet")}
    assert good.task.spec.task_id in ids
    assert bad.task.spec.task_id not in ids
    hashes = {row["sha256"] for row in _rows(tmp_path / "r", "data/files/*.parquet")}
    assert bad.task.spec.files[0].sha256 not in hashes


def test_owed_work_and_refused_tasks_stop_the_release(build: Any, tmp_path: Path) -> None:
    pending = REJECT.model_copy(update={"transient": True})
    with pytest.raises(PublishError, match="1 items are pending, first ann/dead"):
        _run(build, tmp_path / "r", rejects=[pending])
    first = build.released[0]
    check = Check(name="controls", verdict="error")
    verdict = Verdict(task_id=first.task.spec.task_id, checks=(check,))
    failed = first.model_copy(update={"verdict": verdict})
    with pytest.raises(PublishError, match="1 tasks did not pass"):
        _run(build, tmp_path / "r", released=[failed, *build.released[1:]])
    with pytest.raises(PublishError, match="1 task ids occur twice"):
        _run(build, tmp_path / "r", released=[first, *build.released])


def test_a_changed_file_in_the_store_stops_the_release(build: Any, tmp_path: Path) -> None:
    (val,) = (f for f in build.released[0].task.spec.files if f.name == "val.csv")
    path = STORE.path(val.sha256)
    content = path.read_bytes()
    path.write_text("other")
    try:
        with pytest.raises(PublishError, match=rf"{path.name} has sha256"):
            _run(build, tmp_path / "r")
    finally:
        path.write_bytes(content)


def test_release_and_changelog_follow_the_previous_release(
    workshop: Any, build: Any, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    _run(build, first, config=PublishConfig(release="v2026.01"))
    assert "First release: 17 tasks" in (first / "CHANGELOG.md").read_text()
    extra = workshop.source("extra", "2019-01-01")
    gone = build.released[0].task.spec.task_id
    why = REJECT.model_copy(update={"key": gone, "reason": "not_learnable"})
    changed = build.released[1]
    spec = changed.task.spec.model_copy(update={"question": "Predict `price`, please."})
    changed = changed.model_copy(update={"task": changed.task.model_copy(update={"spec": spec})})
    released = [workshop.released(extra), changed, *build.released[2:]]
    config = PublishConfig(release="v2026.02", previous=first)
    given = {"released": released, "sources": [*build.sources, extra], "config": config}
    _run(build, second, **given, rejects=[why])
    text = (second / "CHANGELOG.md").read_text()
    assert f"- `{gone}`: not\\_learnable" in text
    assert "### Added (1)\n\n- `ann__extra__v2__reg-mm" in text
    assert f"- `{changed.task.spec.task_id}`: question or files differ" in text
    assert text.index("## v2026.02") < text.index("## v2026.01")
    tasks = _rows(second, "data/tasks*/*.parquet")
    releases = {row["task_id"]: row["release"] for row in tasks}
    assert releases.pop(changed.task.spec.task_id) == "v2026.02"
    assert releases.pop("ann__extra__v2__reg-mm-csv_____") == "v2026.02"
    assert set(releases.values()) == {"v2026.01"}


def test_publishing_over_its_own_previous_release_changes_nothing(
    build: Any, tmp_path: Path
) -> None:
    out = tmp_path / "release"
    _run(build, out, config=PublishConfig(release="v2026.01"))
    again = _run(build, out, config=PublishConfig(release="v2026.01", previous=out))
    assert not again.changed


def test_a_wrong_previous_release_stops_the_build(build: Any, tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="holds no release"):
        _run(build, tmp_path / "r", config=PublishConfig(previous=tmp_path / "nowhere"))


def test_one_source_is_enough_for_a_one_sided_release(workshop: Any, tmp_path: Path) -> None:
    source, out = workshop.source("own"), tmp_path / "r"
    items = [workshop.released(source), workshop.released(source, "reg-if", "parquet")]
    given = {"released": items, "sources": [source]}
    release = _run(None, out, **given, config=PublishConfig(one_sided=True))
    assert release.refused == ()
    assert {row["extra_info"]["split"] for row in _rows(out, "data/tasks/*.parquet")} == {"train"}
    assert not (out / "data" / "lite").exists()
    card = (out / "README.md").read_text()
    assert "All tasks are for training" in card
    assert "eval-*" not in card
    assert 'split="eval"' not in card
    with pytest.raises(PublishError, match=r"publish\.one_sided=true"):
        _run(None, tmp_path / "both", **given)


def test_a_one_sided_release_needs_an_open_source(workshop: Any, tmp_path: Path) -> None:
    source = workshop.source("alike", tier="share-alike")
    given = {"released": [workshop.released(source)], "sources": [source]}
    with pytest.raises(PublishError, match="at least 1 source; found 0"):
        _run(None, tmp_path / "r", **given, config=PublishConfig(one_sided=True))
