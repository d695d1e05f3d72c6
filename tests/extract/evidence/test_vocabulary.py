import pytest

from extract.evidence.vocabulary import words


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("IsSpecialDay_2", ("is", "special", "day", "2")),
        ("S.No", ("s", "no")),
        ("user_id", ("user", "id")),
        ("Gross P/W (EUR)", ("gross", "p", "w", "eur")),
        ("HTTPServer", ("http", "server")),
        ("", ()),
    ],
)
def test_words(name: str, expected: tuple[str, ...]) -> None:
    assert words(name) == expected
