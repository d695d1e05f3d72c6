"""The knobs of a configuration: every field below its root that is no section."""

from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo


def knobs(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Dotted name and field of each."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from knobs(kind, f"{path}{name}.")
        else:
            yield f"{path}{name}", field
