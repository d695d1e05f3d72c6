"""Every knob that is a number has a bound, so that a wrong configuration stops at once."""

from collections.abc import Iterator

import annotated_types
import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from flows.settings import Settings

BOUNDS = (annotated_types.Ge, annotated_types.Gt, annotated_types.Le, annotated_types.Lt)


def knobs(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """All fields below a model that are no sections."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from knobs(kind, f"{path}{name}.")
        else:
            yield f"{path}{name}", field


NUMBERS = [(path, f) for path, f in knobs(Settings) if f.annotation in (int, float, int | None)]


def test_knobs_are_found() -> None:
    assert len(NUMBERS) >= 40
    assert "gates.size.limits.min_train_rows" in dict(NUMBERS)


@pytest.mark.parametrize(("path", "field"), NUMBERS, ids=[path for path, _ in NUMBERS])
def test_numbers_have_bounds(path: str, field: FieldInfo) -> None:
    assert any(isinstance(part, BOUNDS) for part in field.metadata), path
