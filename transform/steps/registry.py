"""Finds the step classes, so that adding a step touches no list.

Every module in this folder and its folders is imported; every concrete subclass of `Step` in it is
known by its `kind`. Order is by stage, then kind, never by file system.
"""

from functools import cache
from typing import get_args

import transform.steps as folder
from extract.registry import concrete_subclasses
from transform.steps.step import Step, StepStage
from transform.task import StepSpec

_STAGES = get_args(StepStage)


@cache
def step_classes() -> tuple[type[Step], ...]:
    """All concrete steps, by stage and then kind."""
    steps = concrete_subclasses(folder, Step, "kind").values()
    return tuple(sorted(steps, key=lambda step: (_STAGES.index(step.stage), step.kind)))


def resolve(spec: StepSpec) -> Step:
    """The step of a spec. Raises `ValueError` for an unknown kind or wrong parameters."""
    for step in step_classes():
        if step.kind == spec.kind:
            return step.model_validate(spec.parameters)
    known = ", ".join(step.kind for step in step_classes())
    raise ValueError(f"step kind {spec.kind!r} is unknown; expected one of: {known}")


def read_sentence(sentence: str) -> Step:
    """The step that says this sentence. Raises `ValueError` unless exactly one does."""
    # All kinds are asked: a sentence that two of them say is not unambiguous.
    readings = [step for cls in step_classes() if (step := cls.read(sentence)) is not None]
    if len(readings) != 1:
        raise ValueError(f"{len(readings)} steps say this sentence, expected 1: {sentence!r}")
    return readings[0]
