"""What others wrote stays text, whatever they wrote."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transform.files.markdown import escaped, fenced, link


@pytest.mark.parametrize("text", ["```\nescaped?", "~~~", "````` \n```", "`" * 50])
def test_nothing_closes_the_fence(text: str) -> None:
    first, *body, last = fenced(text).split("\n")
    assert first == last + "text"
    assert not any(line.strip().startswith(last) for line in body)


@given(st.text())
def test_any_description_stays_in_its_fence(text: str) -> None:
    first, *body, last = fenced(text).split("\n")
    assert set(last) == {"`"}
    assert all(last not in line for line in body)
    assert first == last + "text"


@given(st.text())
def test_any_title_is_one_harmless_line(text: str) -> None:
    line = escaped(text)
    assert len(line.splitlines()) <= 1
    assert "<" not in line
    assert re.fullmatch(r"(?:\\.|[^\\`*_\[\]|])*", line)


def test_invisible_characters_and_addresses_are_no_markup() -> None:
    assert escaped("a\u202eb\u200fc\n d") == "a b c d"
    assert escaped("https://example.org, $5") == r"https://example\.org, \$5"
    assert escaped("x" * 400) == "x" * 299 + "…"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://a.org/) [x](b", "ftp://a.org", ""])
def test_a_link_leads_to_web_pages_alone(url: str) -> None:
    assert link("a [page]", url) == r"a \[page\]"
    assert link("a page", "https://a.org/b?c=d") == "[a page](https://a.org/b?c=d)"
