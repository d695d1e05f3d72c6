"""Sources take sides as clusters, the freshest for evaluation, and every lane has both."""

from pathlib import Path

import pytest

from extract.dataset import DatasetRef, Licence, RawDataset, Table
from publish.split import SplitConfig, SplitEvidence, plain_evidence, split_sources

CONFIG = SplitConfig()


def _split(lanes: dict, freshness: dict | None = None, clusters: dict | None = None):
    evidence = SplitEvidence(freshness or {}, clusters or {})
    return split_sources({name: set(refs) for name, refs in lanes.items()}, evidence, CONFIG)


def _evals(split) -> set[str]:
    return {ref for ref, side in split.sides.items() if side == "eval"}


@pytest.mark.parametrize(("n", "n_eval"), [(2, 1), (5, 1), (7, 1), (8, 2), (40, 8)])
def test_a_fifth_is_evaluation(n: int, n_eval: int) -> None:
    refs = [f"a/{i:02d}" for i in range(n)]
    split = _split({"open": refs}, {ref: f"20{i:02d}-01-01" for i, ref in enumerate(refs)})
    assert _evals(split) == set(refs[-n_eval:])


def test_instants_are_compared_not_texts() -> None:
    freshness = {"a/a": "2024-05-01T00:30:00+02:00", "a/b": "2024-04-30T23:00:00Z"}
    assert _evals(_split({"open": freshness}, freshness)) == {"a/b"}


def test_unknown_age_counts_as_oldest_and_ties_go_by_ref() -> None:
    refs = ["a/c", "a/b", "a/a"]
    assert _evals(_split({"open": refs}, {"a/c": None, "a/b": "soon", "a/a": "1900-01-01"})) == {
        "a/a"
    }
    assert _evals(_split({"open": refs})) == {"a/a"}


def test_a_cluster_is_as_fresh_as_its_oldest_member() -> None:
    freshness = {"a/new": "2025-01-01", "a/old": "2001-01-01", "a/mid": "2020-01-01"}
    clusters = {"a/new": "x", "a/old": "x"}
    assert _evals(_split({"open": freshness}, freshness, clusters)) == {"a/mid"}


def test_lanes_agree_on_shared_clusters() -> None:
    freshness = {"o/1": "2025-01-01", "o/2": "2020-01-01", "s/1": "2030-01-01", "s/2": "2010-01-01"}
    lanes = {"share-alike": ["s/1", "s/2"], "open": ["o/1", "o/2"]}
    split = _split(lanes, freshness, {"o/2": "twin", "s/1": "twin"})
    assert split.sides == {"o/1": "eval", "o/2": "train", "s/1": "train", "s/2": "eval"} or (
        split.sides["s/1"] == split.sides["o/2"] and not split.unsplit
    )
    assert split.sides["s/1"] == split.sides["o/2"]
    assert {split.sides["s/1"], split.sides["s/2"]} == {"train", "eval"}


@pytest.mark.parametrize(
    ("lanes", "clusters"),
    [
        ({"open": ["a/a"]}, {}),
        ({"open": []}, {}),
        ({"open": ["a/a", "a/b"]}, {"a/a": "x", "a/b": "x"}),
    ],
)
def test_a_lane_that_cannot_have_both_sides_is_unsplit(lanes: dict, clusters: dict) -> None:
    split = _split(lanes, {}, clusters)
    assert split.unsplit == {"open"}
    assert split.sides == {}


def test_a_lane_whose_clusters_are_all_on_one_side_already_is_unsplit() -> None:
    lanes = {"open": ["o/1", "o/2", "o/3"], "share-alike": ["s/2", "s/3"]}
    clusters = {"o/2": "b", "s/2": "b", "o/3": "c", "s/3": "c"}
    split = _split(lanes, {"o/1": "2025-01-01"}, clusters)
    assert split.unsplit == {"share-alike"}
    assert _evals(split) == {"o/1"}


def test_a_table_published_twice_joins_its_sources() -> None:
    def source(owner: str, *hashes: str) -> RawDataset:
        tables = tuple(
            Table(
                name=f"t{i}",
                source_file="t.csv",
                source_sha256="0",
                path=Path("t.parquet"),
                sha256=sha256,
                n_rows=1,
                columns=(),
            )
            for i, sha256 in enumerate(hashes)
        )
        return RawDataset(
            ref=DatasetRef(owner=owner, slug="s"),
            title="",
            subtitle="",
            description="",
            tags=(),
            creator="",
            url="",
            updated_at=None,
            licence=Licence(spdx="MIT", lane="open", evidence=()),
            tables=tables,
            skipped=(),
            sha256="0",
        )

    sources = [source("d", "z"), source("c", "y", "x"), source("b", "x"), source("a", "y", "w")]
    clusters = plain_evidence(sources).clusters
    assert clusters["a/s"] == clusters["b/s"] == clusters["c/s"] != clusters["d/s"]
    assert plain_evidence(sources[::-1]).clusters == clusters
