"""The list of all kinds: adding a step adds a line here and nothing else."""

from tests.bench.held_out_set import other_estimator
from transform.steps.fitting.fit_predict import FitPredict
from transform.steps.fitting.models import MODELS
from transform.steps.registry import step_classes
from transform.steps.step import CellRule, RowRule

KINDS = [
    "join_tables",
    "read_missing",
    "normalise_text",
    "undo_units",
    "filter_range",
    "filter_categories",
    "drop_missing_target",
    "drop_duplicates",
    "resample",
    "fill_series",
    "derive_lag",
    "derive_rolling",
    "derive_date_parts",
    "derive_log1p",
    "derive_ratio",
    "drop_incomplete",
    "select_columns",
    "impute_category",
    "impute_constant",
    "impute_label",
    "impute_number",
    "encode_one_hot",
    "encode_ordinal",
    "scale",
    "fit_predict",
]


def test_every_kind_is_listed_in_stage_order() -> None:
    assert [step.kind for step in step_classes()] == KINDS


def test_a_step_lies_in_the_file_of_its_kind() -> None:
    assert all(cls.__module__.endswith(f".{cls.kind}") for cls in step_classes())


def test_each_noise_has_one_step() -> None:
    rules = [cls for cls in step_classes() if issubclass(cls, RowRule | CellRule)]
    assert len({rule.noise for rule in rules}) == len(rules) == 7


def test_estimators_that_are_taken_for_each_other_answer_alike() -> None:
    for name, model in MODELS.items():
        step = FitPredict(estimator=name, module=model.module, arguments={})
        other = other_estimator(step).estimator
        assert other != name
        facts = MODELS[other]
        assert (facts.problem, facts.scores) == (model.problem, model.scores), name
