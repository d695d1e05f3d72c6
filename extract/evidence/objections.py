"""Whether a creator forbids what a release is made for.

Takes a dataset, returns an issue that quotes the sentence in which its creator forbids training,
machine learning, scraping or passing on, or None. Licences are read elsewhere; this finds what
stands beside them. Warnings that data is unfit for a use are no objections.
"""

import re

from extract.dataset import RawDataset
from extract.drop import Reason
from extract.evidence.issue import Issue
from extract.evidence.texts import sentences

_USE = (
    r"(?:(?:train|training|train(?:ing)? of|fine-?tun(?:e|ing)|build(?:ing)?|develop(?:ing)?)\b"
    r".{0,40}\b(?:ai\b|a\.i\.|models?|llms?|machine learning|ml\b|neural|artificial intelligence)|"
    r"(?:machine learning|ml\b|ai\b|a\.i\.|artificial intelligence|(?:text and )?data mining|"
    r"generative)|scrap(?:e|ed|ing)|(?:re-?distribut|re-?upload|re-?publish)\w*|"
    r"(?:share|sharing|copy|copying) (?:this|the|my) (?:data|file|work))"
)
_FORBIDDEN = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:do not|don't|don’t|must not|may not|shall not|should not be|cannot be|can not be|"
        r"is not to be|are not to be|not allowed to|not permitted to|you can't|never)\s+"
        r"(?:be\s+|to\s+)?(?:used?|utili[sz]ed?|train|fine-?tune|scrape[d]?|re-?distributed?|"
        r"re-?upload(?:ed)?|re-?publish(?:ed)?|share|copy|feed|fed|employed)\b(?P<rest>.{0,120})",
        rf"\b{_USE}.{{0,60}}\b(?:is|are)\s+(?:strictly\s+|expressly\s+)?(?:prohibited|forbidden|"
        r"disallowed|not (?:allowed|permitted|authori[sz]ed))",
        rf"\b(?:prohibit(?:s|ed)?|forbid(?:s|den)?|object(?:s)? to|opt(?:s|ed)?[- ]out of|"
        rf"without (?:my|our|prior|written)[\w ]{{0,20}}(?:permission|consent))\b.{{0,60}}\b{_USE}",
        r"\bno\s+(?:(?:ai|a\.i\.|ml|machine learning|model|llm)\s+(?:training|use|usage)|scraping|"
        r"re-?distribution|text and data mining)\b(?!\s+(?:was|were|is|has|needed|required))",
    )
)
# After "do not use" only these acts are about training or passing on.
_ACT = re.compile(r"\b(?:train|fine-?tune|scrape|re-?distribut|re-?upload|re-?publish)", re.I)
_IN_USE = re.compile(_USE, re.IGNORECASE)
_SOMETHING_ELSE = re.compile(
    r"\b(?:production|diagnos|clinical|medical decision|target|leak)", re.I
)


def creator_objection(raw: RawDataset) -> Issue | None:
    """The creator's words, quoted; None when nothing is forbidden."""
    for sentence in sentences(raw):
        for pattern in _FORBIDDEN:
            match = pattern.search(sentence.text)
            if match and _is_about_use(match):
                return Issue(
                    name="objection",
                    detail="the creator objects to this use",
                    evidence=sentence.quote(*match.span()),
                    reason=Reason.CREATOR_OBJECTS,
                )
    return None


def _is_about_use(match: re.Match[str]) -> bool:
    words = match.group()
    if _SOMETHING_ELSE.search(words):
        return False
    return "rest" not in match.groupdict() or bool(_ACT.search(words) or _IN_USE.search(words))
