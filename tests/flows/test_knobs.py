"""Every knob that is a number has a bound, so that a wrong configuration stops at once."""

import annotated_types
import pytest
from pydantic.fields import FieldInfo

from flows.settings import Settings
from tests.knobs import knobs

BOUNDS = (annotated_types.Ge, annotated_types.Gt, annotated_types.Le, annotated_types.Lt)


NUMBERS = [(path, f) for path, f in knobs(Settings) if f.annotation in (int, float, int | None)]


def test_knobs_are_found() -> None:
    assert len(NUMBERS) >= 40
    assert "gates.size.min_train_rows" in dict(NUMBERS)


@pytest.mark.parametrize(("path", "field"), NUMBERS, ids=[path for path, _ in NUMBERS])
def test_numbers_have_bounds(path: str, field: FieldInfo) -> None:
    assert any(isinstance(part, BOUNDS) for part in field.metadata), path
