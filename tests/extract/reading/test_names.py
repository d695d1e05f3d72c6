"""Names: whatever a header holds, what is shipped is one clean, unique line."""

from hypothesis import given
from hypothesis import strategies as st

from extract.reading.names import column_names, table_name


def test_rules() -> None:
    headers = ["a", "A", "a", "", " b\n`c`\t", "row_id", "ROW_ID", "x" * 200, "x" * 200, "\u202e d"]
    assert column_names(headers) == [
        "a",
        "A",
        "a_2",
        "column_4",
        "b 'c'",
        "source_row_id",
        "source_row_id_2",
        "x" * 80,
        "x" * 78 + "_2",
        "d",
    ]


@given(st.lists(st.text(max_size=100), max_size=12))
def test_any_headers(headers: list[str]) -> None:
    names = column_names(headers)
    assert len(names) == len(headers) == len(set(names))
    for name in names:
        assert 1 <= len(name) <= 80
        assert name == name.strip()
        assert name.isprintable()
        assert "`" not in name
        assert name.casefold() != "row_id"


def test_tables() -> None:
    taken: set[str] = set()
    names = [table_name(text, taken) for text in ("a", "a", "../../etc/passwd", "", "\x00")]
    assert names == ["a", "a_2", ".. .. etc passwd", "table", "table_2"]


def test_names_that_frames_take_for_patterns_are_changed() -> None:
    assert column_names(["*", "^a.*$", "^a", "a$"]) == ["column *", "column ^a.*$", "^a", "a$"]
