"""Foreign text becomes plain text, whatever it is."""

from hypothesis import given
from hypothesis import strategies as st

from extract.untrusted_text import one_line, paragraphs, storable

ANYTHING = st.one_of(st.text(), st.none(), st.integers(), st.lists(st.text()))


@given(ANYTHING, st.integers(1, 50))
def test_one_line_is_bounded_and_has_no_control_characters(value: object, longest: int) -> None:
    line = one_line(value, longest)
    assert len(line) <= longest
    assert line == line.strip()
    assert not any(ord(c) < 32 for c in line)
    assert one_line(line, longest) == line
    line.encode()


@given(ANYTHING, st.integers(1, 50))
def test_paragraphs_keep_line_feeds_and_tabs_only(value: object, longest: int) -> None:
    text = paragraphs(value, longest)
    assert len(text) <= longest
    assert not any(ord(c) < 32 for c in text if c not in "\n\t")
    text.encode()


def test_what_cannot_be_seen_becomes_a_blank() -> None:
    assert one_line(" a\x1b[2J\u202eb\u200bc \n d", 99) == "a [2J b c d"
    assert paragraphs("a\r\nb\rc\x00d\te", 99) == "a\nb\nc d\te"
    assert one_line("\ud800lone", 99) == "lone"
    assert (one_line(None, 9), paragraphs(3, 9)) == ("", "")


def test_letters_and_signs_stay() -> None:
    assert one_line("Größe (€) 日本 🙂", 99) == "Größe (€) 日本 🙂"


def test_half_characters_cannot_be_stored() -> None:
    assert storable("a\ud800b") == "a?b"
