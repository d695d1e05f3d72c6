"""Sources take sides as clusters, the freshest for evaluation, and every config has both."""

import pytest

from publish.selecting.split import SourceSplitConfig, SplitEvidence, split_sources

CONFIG = SourceSplitConfig()


def _split(
    configs: dict,
    freshness: dict | None = None,
    clusters: dict | None = None,
    tags: dict | None = None,
):
    evidence = SplitEvidence(freshness=freshness or {}, clusters=clusters or {}, tags=tags or {})
    return split_sources({name: set(refs) for name, refs in configs.items()}, evidence, CONFIG)


def _evals(split) -> set[str]:
    return {ref for ref, side in split.sides.items() if side == "eval"}


@pytest.mark.parametrize(("n", "n_eval"), [(2, 1), (5, 1), (7, 1), (8, 2), (40, 8)])
def test_a_fifth_is_evaluation(n: int, n_eval: int) -> None:
    refs = [f"a/{i:02d}" for i in range(n)]
    split = _split({"tasks": refs}, {ref: f"20{i:02d}-01-01" for i, ref in enumerate(refs)})
    assert _evals(split) == set(refs[-n_eval:])


def test_instants_are_compared_not_texts() -> None:
    freshness = {"a/a": "2024-05-01T00:30:00+02:00", "a/b": "2024-04-30T23:00:00Z"}
    assert _evals(_split({"tasks": freshness}, freshness)) == {"a/b"}


def test_unknown_age_counts_as_oldest_and_ties_go_by_ref() -> None:
    refs = ["a/c", "a/b", "a/a"]
    assert _evals(_split({"tasks": refs}, {"a/c": None, "a/b": "soon", "a/a": "1900-01-01"})) == {
        "a/a"
    }
    assert _evals(_split({"tasks": refs})) == {"a/a"}


def test_a_cluster_is_as_fresh_as_its_oldest_member() -> None:
    freshness = {"a/new": "2025-01-01", "a/old": "2001-01-01", "a/mid": "2020-01-01"}
    clusters = {"a/new": "x", "a/old": "x"}
    assert _evals(_split({"tasks": freshness}, freshness, clusters)) == {"a/mid"}


def test_a_near_duplicate_that_gave_no_task_makes_its_cluster_old() -> None:
    freshness = {"a/new": "2025-01-01", "a/old": "2001-01-01", "a/mid": "2020-01-01"}
    split = _split({"tasks": ["a/new", "a/mid"]}, freshness, {"a/new": "x", "a/old": "x"})
    assert split.sides == {"a/mid": "eval", "a/new": "train"}


@pytest.mark.parametrize("tag", ["well_known", "artificial"])
def test_a_tag_keeps_the_whole_cluster_out_of_evaluation(tag: str) -> None:
    freshness = {f"a/{i}": f"202{i}-01-01" for i in range(5)}
    clusters = {"a/4": "x", "b/twin": "x"}
    split = _split(
        {"tasks": freshness}, freshness | {"b/twin": "2024-01-01"}, clusters, {"b/twin": (tag,)}
    )
    assert _evals(split) == {"a/3"}
    assert split.sides["a/4"] == "train"


def test_notes_keep_nothing_out_and_the_configuration_may_allow_tags() -> None:
    freshness = {"a/1": "2021-01-01", "a/2": "2022-01-01"}
    assert _evals(_split({"tasks": freshness}, freshness, {}, {"a/2": ("note_rows",)})) == {"a/2"}
    evidence = SplitEvidence(freshness=freshness, tags={"a/2": ("well_known",)})
    split = split_sources({"tasks": set(freshness)}, evidence, SourceSplitConfig(eval_refuses=()))
    assert _evals(split) == {"a/2"}


def test_a_config_with_tagged_sources_only_is_unsplit() -> None:
    tags = {"a/1": ("well_known",), "a/2": ("artificial",)}
    assert _split({"tasks": ["a/1", "a/2"]}, {}, {}, tags).unsplit == {"tasks"}


def test_configs_agree_on_shared_clusters() -> None:
    freshness = {"o/1": "2025-01-01", "o/2": "2020-01-01", "s/1": "2030-01-01", "s/2": "2010-01-01"}
    configs = {"tasks_share-alike": ["s/1", "s/2"], "tasks": ["o/1", "o/2"]}
    split = _split(configs, freshness, {"o/2": "twin", "s/1": "twin"})
    assert split.sides == {"o/1": "eval", "o/2": "train", "s/1": "train", "s/2": "eval"} or (
        split.sides["s/1"] == split.sides["o/2"] and not split.unsplit
    )
    assert split.sides["s/1"] == split.sides["o/2"]
    assert {split.sides["s/1"], split.sides["s/2"]} == {"train", "eval"}


@pytest.mark.parametrize(
    ("configs", "clusters"),
    [
        ({"tasks": ["a/a"]}, {}),
        ({"tasks": []}, {}),
        ({"tasks": ["a/a", "a/b"]}, {"a/a": "x", "a/b": "x"}),
    ],
)
def test_a_config_that_cannot_have_both_sides_is_unsplit(configs: dict, clusters: dict) -> None:
    split = _split(configs, {}, clusters)
    assert split.unsplit == {"tasks"}
    assert split.sides == {}


def test_a_config_whose_clusters_are_all_on_one_side_already_is_unsplit() -> None:
    configs = {"tasks": ["o/1", "o/2", "o/3"], "tasks_share-alike": ["s/2", "s/3"]}
    clusters = {"o/2": "b", "s/2": "b", "o/3": "c", "s/3": "c"}
    split = _split(configs, {"o/1": "2025-01-01"}, clusters)
    assert split.unsplit == {"tasks_share-alike"}
    assert _evals(split) == {"o/1"}
