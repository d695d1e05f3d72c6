"""Slots say and read back the awkward values."""

import pytest

from transform.steps.phrase import Phrase


@pytest.mark.parametrize("number", [0, -7, 10**18, 0.0, -0.0, 1e-300, 1e22, -2.5e-07, 123456.75])
def test_numbers_keep_value_and_type(number: float) -> None:
    phrase = Phrase("Take {n:number}.")
    read = phrase.read(phrase.say({"n": number}))
    assert read is not None
    assert repr(read["n"]) == repr(number)


@pytest.mark.parametrize(
    "text", ['"', "\\", "a\nb", "\u2028", "\x85", "\x7f", "😀", "{x}", "%s", ", "]
)
def test_texts_stay_in_their_sentence(text: str) -> None:
    phrase = Phrase("One of {texts:texts}, not {text:text}.")
    said = phrase.say({"texts": [text, "b"], "text": text})
    assert said.isprintable()
    assert phrase.read(said) == {"texts": [text, "b"], "text": text}


def test_choices_are_said_in_words() -> None:
    phrase = Phrase("Sort{how:choice}.", {"how": {"up": "", "down": " downwards"}})
    assert [phrase.say({"how": how}) for how in ("up", "down")] == ["Sort.", "Sort downwards."]
    assert phrase.read("Sort.") == {"how": "up"}
    assert phrase.read("Sort downwards.") == {"how": "down"}
    assert phrase.read("Sort sideways.") is None


def test_arguments_may_be_none_at_all() -> None:
    phrase = Phrase("With {arguments:arguments}.")
    for arguments in ({}, {"alpha": 1e-08, "sizes": [12, 6], "solver": "cholesky", "dual": False}):
        assert phrase.read(phrase.say({"arguments": arguments})) == {"arguments": arguments}
