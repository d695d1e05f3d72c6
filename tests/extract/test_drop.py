"""Refusals are bounded, however long what they quote."""

from extract.drop import MAX_DETAIL, MAX_EVIDENCE, Drop


def test_long_texts_are_cut_and_not_refused() -> None:
    text = "a" * MAX_DETAIL + "b" * MAX_EVIDENCE
    drop = Drop(
        key="a/b", source="a/b", room="extract", reason="no_table", detail=text, evidence=text
    )
    assert drop.detail == text[:MAX_DETAIL]
    assert drop.evidence == text[:MAX_EVIDENCE]
    assert Drop.model_validate_json(drop.model_dump_json()) == drop
