"""Noise: every rule is needed, no place tells of it, and there is as much as was asked for."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from transform.families.noise import NoisyTables, inject_noise
from transform.files.task_folder import Draft
from transform.steps import registry
from transform.steps.cleaning.drop_duplicates import DropDuplicates
from transform.steps.step import CellRule, CleaningStep, RowRule, Step, Workspace
from transform.task import ID_COLUMN

SHAPES = ("numbers", "text_labels", "dates", "several_targets", "wide", "hostile_names")
MANY = range(40)


@dataclass(frozen=True)
class Bed:
    """Clean tables without ids and the rules that leave them as they are."""

    clean: pl.DataFrame
    val: pl.DataFrame
    rules: tuple[CleaningStep, ...]
    targets: tuple[str, ...]

    def noisy(self, seed: int = 0, share: float = 0.2) -> NoisyTables:
        return inject_noise(self.clean, self.val, self.rules, random.Random(seed), share)

    def cleaned(self, tables: NoisyTables, steps: Sequence[Step]) -> pl.DataFrame:
        start = Workspace(tables.noisy, tables.val, self.targets)
        return reduce(lambda work, step: step.apply(work), steps, start).train


@pytest.fixture(scope="module")
def make_bed(make_case: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Bed]:
    """What the instruction family makes of a table, before noise is injected."""
    made: dict[str, Bed] = {}

    def make(shape: str) -> Bed:
        if shape not in made:
            draft = make_case(shape).draft(tmp_path_factory.mktemp(shape))
            assert isinstance(draft, Draft)
            instructions = draft.spec.instructions
            steps = [registry.resolve(spec) for spec in instructions.steps]
            clean = pl.read_parquet(draft.clean_file).drop("row_id")
            val = clean.head(100).drop(instructions.targets)
            rules = tuple(step for step in steps if isinstance(step, CleaningStep))
            made[shape] = Bed(clean, val, rules, instructions.targets)
        return made[shape]

    return make


@pytest.mark.parametrize("shape", SHAPES)
def test_the_stated_cleaning_restores_the_table(make_bed: Any, shape: str) -> None:
    bed = make_bed(shape)
    for seed in range(5):
        tables = bed.noisy(seed)
        assert bed.cleaned(tables, bed.rules).equals(tables.clean)
        assert tables.clean.drop("row_id").sort(pl.all()).equals(bed.clean.sort(pl.all()))
        assert tables.noisy.height > tables.clean.height


@pytest.mark.parametrize("shape", SHAPES)
def test_every_rule_is_needed(make_bed: Any, shape: str) -> None:
    bed = make_bed(shape)
    for seed in range(5):
        tables = bed.noisy(seed)
        for i, rule in enumerate(bed.rules):
            others = bed.rules[:i] + bed.rules[i + 1 :]
            assert not bed.cleaned(tables, others).equals(tables.clean), rule.say()


@pytest.mark.parametrize("shape", SHAPES)
def test_every_part_of_a_rule_is_needed(make_bed: Any, shape: str) -> None:
    bed = make_bed(shape)
    tables, tried = bed.noisy(), 0
    for i, rule in enumerate(bed.rules):
        for wrong in rule.mutations():
            # Two rows with equal features and different targets need not occur in a table.
            if wrong.name != "ignore_targets":
                steps = (*bed.rules[:i], *wrong.instead, *bed.rules[i + 1 :])
                again = bed.cleaned(tables, steps)
                assert not again.equals(tables.clean), (rule.say(), wrong.name)
                tried += 1
    assert tried >= 2 * len({rule.kind for rule in bed.rules})


def test_even_little_noise_needs_every_rule(make_bed: Any) -> None:
    bed = make_bed("text_labels")
    tables = bed.noisy(share=0.001)
    for i, rule in enumerate(bed.rules):
        others = bed.rules[:i] + bed.rules[i + 1 :]
        assert not bed.cleaned(tables, others).equals(tables.clean), rule.say()


def test_no_two_rules_share_a_column(make_bed: Any) -> None:
    for shape in SHAPES:
        ruled = [column for rule in make_bed(shape).rules for column in sorted(rule.ruled)]
        assert len(ruled) == len(set(ruled)), shape


@pytest.mark.parametrize("shape", SHAPES)
def test_about_a_fifth_of_the_rows_is_noisy(make_bed: Any, shape: str) -> None:
    bed = make_bed(shape)
    tables = bed.noisy()
    share = len(_noisy_ids(bed, tables)) / tables.noisy.height
    assert 0.12 <= share <= 0.25
    more = bed.noisy(share=0.6)
    assert len(_noisy_ids(bed, more)) / more.noisy.height > share + 0.1


def _inserted(tables: NoisyTables) -> set[int]:
    return set(tables.noisy["row_id"]) - set(tables.clean["row_id"])


def _changed(tables: NoisyTables) -> set[int]:
    """Clean rows that show other cells in the noisy table."""
    joined = tables.clean.join(tables.noisy, on="row_id", suffix=" noisy", maintain_order="left")
    changed: set[int] = set()
    for name in tables.clean.columns[1:]:
        clean, noisy = joined[name], joined[f"{name} noisy"]
        texts = noisy.dtype == pl.String and clean.dtype != pl.String
        cells = (
            pl.Series([None if cell is None else repr(cell) for cell in clean]) if texts else clean
        )
        changed |= set(joined["row_id"].filter(cells.ne_missing(noisy)))
    return changed


def _noisy_ids(bed: Bed, tables: NoisyTables) -> set[int]:
    return _inserted(tables) | _changed(tables)


def _duplicates(bed: Bed, tables: NoisyTables) -> pl.DataFrame:
    """Rows that are equal once their cells are restored: id and whether it is an original."""
    cells = [rule for rule in bed.rules if isinstance(rule, CellRule)]
    restored = bed.cleaned(tables, cells)
    content = restored.columns[1:]
    group = restored.select(pl.struct(content).rank("dense").alias("group"), "row_id")
    repeated = group.filter(pl.len().over("group") > 1)
    originals = set(tables.clean["row_id"])
    return repeated.with_columns(pl.col("row_id").is_in(originals).alias("original"))


# --- ids ---------------------------------------------------------------------------------------


def test_ids_are_one_permutation_over_all_rows(make_bed: Any) -> None:
    bed = make_bed("dates")
    for seed in range(5):
        tables = bed.noisy(seed)
        ids = [*tables.noisy["row_id"], *tables.val["row_id"]]
        assert sorted(ids) == list(range(len(ids)))
        for frame in (tables.noisy, tables.clean, tables.val):
            assert frame["row_id"].is_sorted()
            assert frame.schema["row_id"] == pl.Int64
            assert frame.columns[0] == "row_id"


def test_the_original_of_equal_rows_has_the_lowest_id(make_bed: Any) -> None:
    for shape in SHAPES:
        bed = make_bed(shape)
        rows = _duplicates(bed, bed.noisy())
        assert rows.height >= 12
        lowest = rows.filter(pl.col("row_id") == pl.col("row_id").min().over("group"))
        assert lowest["original"].all()
        assert lowest.height == rows["original"].sum()


def test_the_same_seed_gives_the_same_rows(make_bed: Any) -> None:
    bed = make_bed("categories")
    first, again, other = bed.noisy(3), bed.noisy(3), bed.noisy(4)
    assert first.noisy.equals(again.noisy)
    assert first.val.equals(again.val)
    assert not first.noisy.equals(other.noisy)


def _is_even(positions: Sequence[float], bins: int = 10) -> bool:
    """Chi-square of shares of [0, 1) against evenness, at about one in ten thousand."""
    from scipy.stats import chisquare

    counts: npt.NDArray[np.int64] = np.histogram(positions, bins, (0, 1))[0]
    return bool(chisquare(counts).pvalue > 1e-4)


@pytest.fixture(scope="module")
def piles(make_bed: Any) -> tuple[Bed, list[NoisyTables]]:
    """One table with noise injected many times."""
    bed = make_bed("text_labels")
    return bed, [bed.noisy(seed) for seed in MANY]


def test_the_test_of_evenness_sees_a_bias() -> None:
    rng = np.random.default_rng(1)
    even = rng.random(3000)
    assert _is_even(even.tolist())
    assert not _is_even((even**1.2).tolist())


def test_position_does_not_tell_noise(piles: tuple[Bed, list[NoisyTables]]) -> None:
    bed, piles_of_noise = piles
    inserted, changed, pairs = [], [], []
    for tables in piles_of_noise:
        place = {i: p / tables.noisy.height for p, i in enumerate(tables.noisy["row_id"])}
        duplicated = set(_duplicates(bed, tables)["row_id"])
        # That the first of two equal rows stays is stated; over all noise, ids tell nothing.
        inserted += [place[i] for i in sorted(_inserted(tables))]
        changed += [place[i] for i in sorted(_changed(tables))]
        pairs += [place[i] for i in sorted(duplicated)]
    assert min(map(len, (inserted, changed, pairs))) > 1000
    assert _is_even(inserted)
    assert _is_even(changed)
    assert _is_even(pairs)


def test_ids_do_not_tell_noise(piles: tuple[Bed, list[NoisyTables]]) -> None:
    bed, piles_of_noise = piles
    shares, digits = [], []
    for tables in piles_of_noise:
        total = tables.noisy.height + tables.val.height
        noisy = _noisy_ids(bed, tables)
        shares += [i / total for i in noisy]
        digits += [(i % 10 + 0.5) / 10 for i in noisy]
    assert _is_even(shares)
    assert _is_even(digits)


def test_noisy_rows_do_not_flock(piles: tuple[Bed, list[NoisyTables]]) -> None:
    bed, piles_of_noise = piles
    scores = []
    for tables in piles_of_noise:
        noisy = tables.noisy["row_id"].is_in(list(_noisy_ids(bed, tables))).to_numpy().astype(float)
        noisy -= noisy.mean()
        together = (noisy[1:] * noisy[:-1]).mean() / noisy.var()
        scores.append(together * np.sqrt(len(noisy)))
    assert abs(np.mean(scores)) < 4 / np.sqrt(len(scores))


def test_ids_tell_neither_order_nor_target_nor_side(piles: tuple[Bed, list[NoisyTables]]) -> None:
    bed, piles_of_noise = piles
    places = bed.clean.drop(bed.targets).with_row_index("source place")
    side, order, labels = [], [], []
    for tables in piles_of_noise:
        total = tables.noisy.height + tables.val.height
        side += [i / total for i in tables.val["row_id"]]
        first = places.unique(bed.clean.drop(bed.targets).columns, keep="none")
        known = tables.clean.join(first, on=first.columns[1:], nulls_equal=True)
        order.append(
            np.corrcoef(known["row_id"], known["source place"])[0, 1] * np.sqrt(known.height)
        )
        label = tables.clean[bed.targets[0]].rank("dense")
        labels.append(np.corrcoef(tables.clean["row_id"], label)[0, 1] * np.sqrt(len(label)))
    assert _is_even(side)
    limit = 4 / np.sqrt(len(piles_of_noise))
    assert abs(np.mean(order)) < limit
    assert abs(np.mean(labels)) < limit


def _correlation(left: pl.Series, right: pl.Series) -> float:
    """In standard deviations of unrelated columns."""
    return float(np.corrcoef(left, right)[0, 1] * np.sqrt(len(left)))


def test_ids_of_all_noise_together_tell_nothing(make_bed: Any) -> None:
    """The lowest id marks an original, so copies have high ids; other noise makes up for it."""
    bed = make_bed("numbers")
    ranks: list[float] = []
    for seed in range(40):
        tables = bed.noisy(seed)
        clean = set(tables.clean[ID_COLUMN].to_list())
        ids = tables.noisy[ID_COLUMN].to_list()
        highest = max(ids)
        ranks += [i / highest for i in ids if i not in clean]
    # The mean of uniform ranks deviates from a half by less than 4 / sqrt(12 n).
    assert abs(sum(ranks) / len(ranks) - 0.5) < 4 / (12 * len(ranks)) ** 0.5


# --- what noise does ----------------------------------------------------------------------------


def test_the_noise_of_a_rule_pulls_to_one_end(make_bed: Any) -> None:
    for shape in ("numbers", "text_labels"):
        bed = make_bed(shape)
        rules = [rule for rule in bed.rules if isinstance(rule, RowRule) and not rule.sees_targets]
        assert rules
        (target,) = bed.targets
        for rule in rules:
            tables = inject_noise(
                bed.clean, bed.val, [rule], random.Random(1), 0.2, targets=bed.targets
            )
            clean = set(tables.clean["row_id"])
            answers = tables.noisy.filter(~pl.col("row_id").is_in(list(clean)))[target]
            values = bed.clean[target].sort()
            if values.dtype == pl.String:
                assert answers.n_unique() == 1
            else:
                tenth = len(values) // 10
                ends = (answers <= values[tenth]).all(), (answers >= values[-tenth - 1]).all()
                assert any(ends)


def test_no_noisy_row_is_a_held_out_row(make_bed: Any) -> None:
    bed = make_bed("numbers")
    rules = [DropDuplicates(compare="features")]
    first = inject_noise(bed.clean, bed.val, rules, random.Random(1), 0.9, bed.targets)
    inserted = first.noisy.filter(~pl.col("row_id").is_in(first.clean["row_id"].to_list()))
    # Targets are drawn anew; the few that are drawn back give plain copies.
    names = bed.clean.columns
    held_out = inserted.drop("row_id").join(bed.clean, on=names, how="anti", nulls_equal=True)
    again = inject_noise(bed.clean, bed.val, rules, random.Random(1), 0.9, bed.targets, held_out)
    both = again.noisy.join(held_out, on=held_out.columns, how="semi", nulls_equal=True)
    assert held_out.height > 100
    assert both.is_empty()
    assert again.clean.drop("row_id").sort(names).equals(bed.clean.sort(names))


# --- the record ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_the_record_names_exactly_what_differs(make_bed: Any, shape: str) -> None:
    bed = make_bed(shape)
    tables = bed.noisy()
    record = tables.injected
    rows = record.filter(pl.col("column").is_null())["row_id"]
    clean_ids = set(tables.clean["row_id"])
    assert sorted(rows) == sorted(set(tables.noisy["row_id"]) - clean_ids)
    kept = tables.noisy.filter(pl.col("row_id").is_in(list(clean_ids)))
    cells = record.drop_nulls("column").filter(pl.col("row_id").is_in(list(clean_ids)))
    differing = {
        (row_id, name)
        for name in bed.clean.columns
        for row_id, before, after in zip(
            kept["row_id"], tables.clean[name], kept[name], strict=True
        )
        if as_text(before) != as_text(after)
    }
    assert set(cells.select("row_id", "column").iter_rows()) == differing
    assert cells.height == len(differing)


def as_text(cell: object) -> str | None:
    """Numbers of a column with markers have become texts."""
    return None if cell is None else str(cell)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_rule_of_the_record_undoes_it(make_bed: Any, shape: str) -> None:
    """Without one rule, just its noise is left, beside rows that were inserted to repeat it."""
    bed = make_bed(shape)
    tables = bed.noisy()
    for position, rule in enumerate(bed.rules):
        noise = tables.injected.filter(pl.col("rule") == position)
        assert noise.height > 0
        assert noise["column"].is_null().all() == isinstance(rule, RowRule)
        assert set(noise["column"].drop_nulls()) <= rule.ruled
