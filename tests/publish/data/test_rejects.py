"""Refusals are explained on a screen as they are in the release, and safely."""

from extract.drop import Drop
from publish.data.rejects import reject_rows, rejects_lines


def _drop(key: str, **fields: object) -> Drop:
    parts = {"source": key, "room": "transform", "reason": "no_proposal", "detail": "no target"}
    return Drop.model_validate({"key": key, **parts, **fields})


def test_each_refusal_is_a_line_with_its_proof() -> None:
    drops = [
        _drop("ann/b", evidence="price: 3 values", value=3, threshold=20.0),
        _drop("ann/a"),
    ]
    assert rejects_lines(drops) == [
        "ann/a: transform: no_proposal: no target",
        "ann/b: transform: no_proposal (3, threshold 20): no target; price: 3 values",
    ]
    assert [row["key"] for row in reject_rows(drops)] == ["ann/a", "ann/b"]


def test_foreign_text_cannot_steer_a_terminal() -> None:
    (line,) = rejects_lines([_drop("ann/x", evidence="\x1b[2J\u202eevil\nfake: line" + "x" * 900)])
    assert line.isprintable()
    assert len(line) < 400
