"""Checks are short and show no digits that nobody measured."""

import pytest

from extract.drop import MAX_EVIDENCE
from validate.verdict import Check


def test_long_evidence_is_cut_and_not_refused() -> None:
    check = Check(name="size", verdict="error", evidence="x" * (MAX_EVIDENCE + 1))
    assert check.evidence == "x" * MAX_EVIDENCE


@pytest.mark.parametrize(
    ("measured", "shown"),
    [(0.123456, 0.123), (1234.5, 1230.0), (12_345, 12_345.0), (0, 0.0), (None, None)],
)
def test_values_have_three_digits_and_counts_all(
    measured: float | None, shown: float | None
) -> None:
    assert Check(name="size", verdict="valid", value=measured).value == shown
