"""Text from outside cannot become markup."""

import pytest

from publish.texts.markdown import link, markdown, plain


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("<img src=x onerror=alert(1)>", r"&lt;img src\=x onerror\=alert\(1\)&gt;"),
        ("a|b\n\n# c", r"a\|b \# c"),
        ("[x](javascript:alert(1))", r"\[x\]\(javascript\:alert\(1\)\)"),
        ("`code` & **bold**", r"\`code\` &amp; \*\*bold\*\*"),
        ("a\u202eb\x00c", "a b c"),
        ("Größe ½ 価格", "Größe ½ 価格"),
    ],
)
def test_markup_is_escaped(text: str, escaped: str) -> None:
    assert markdown(text) == escaped


def test_lines_are_bounded() -> None:
    assert len(plain("x" * 1000, 50)) == 50


@pytest.mark.parametrize("address", ["javascript:alert(1)", "https://a b", "https://a/<b>", ""])
def test_only_plain_addresses_are_links(address: str) -> None:
    assert link(address) == markdown(address)
    assert link("https://example.org/a?b=1") == "<https://example.org/a?b=1>"
