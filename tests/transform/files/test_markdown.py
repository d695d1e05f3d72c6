"""Text from outside cannot become markup."""

import pytest

from transform.files.markdown import escaped, link, one_line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<img src=x onerror=alert(1)>", r"&lt;img src\=x onerror\=alert\(1\)&gt;"),
        ("a|b\n\n# c", r"a\|b \# c"),
        ("[x](javascript:alert(1))", r"\[x\]\(javascript\:alert\(1\)\)"),
        ("`code` & **bold**", r"\`code\` &amp; \*\*bold\*\*"),
        ("a\u202eb\x00c", "a b c"),
        ("Größe ½ 価格", "Größe ½ 価格"),
    ],
)
def test_markup_is_escaped(text: str, expected: str) -> None:
    assert escaped(text) == expected


def test_lines_are_bounded() -> None:
    assert len(one_line("x" * 1000, 50)) == 50


@pytest.mark.parametrize("address", ["javascript:alert(1)", "https://a b", "https://a/<b>", ""])
def test_only_plain_addresses_are_links(address: str) -> None:
    assert link(address, address) == escaped(address)
    assert link("[x]", address) == r"\[x\]"
    assert (
        link("https://example.org/a?b=1", "https://example.org/a?b=1")
        == "<https://example.org/a?b=1>"
    )
    assert link("a [b]", "https://example.org/a)b") == "a \\[b\\]"
    assert link("a [b]", "https://example.org/") == "[a \\[b\\]](<https://example.org/>)"
