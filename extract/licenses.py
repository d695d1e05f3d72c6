"""Licence statements to SPDX expressions and tiers.

A source states its licence in display text (list record) and in short ids (metadata); both are kept
word for word as evidence. Where statements disagree the stricter one counts; a statement that
nobody can read, or "other", or none at all, refuses the dataset.

Not guaranteed: that who published the data had the right to. A statement is read whole: text that
merely mentions a licence name is unknown.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from extract.dataset import DatasetRef, Licence, LicenceTier
from extract.drop import Drop, Reason, dataset_drop
from extract.noun import Noun

if TYPE_CHECKING:
    from license_expression import Licensing

_EVIDENCE_CHARS = 300
_STRANGE = re.compile(r"[^\w\s.,:;()/&©'\"‑–—-]")
_TIERS: tuple[LicenceTier, ...] = ("open", "share-alike", "non-commercial", "recipe-only")
PUBLIC_DOMAIN = "LicenseRef-public-domain"
_NO_ATTRIBUTION = ("CC0-1.0", "PDDL-1.0", "Unlicense", PUBLIC_DOMAIN)


class Statement(Noun):
    """What a source says about its licence."""

    where: str
    """File and field, for example `list-record.json: licenseName`."""
    text: str
    """Verbatim."""


class LicenceConfig(Noun):
    """Which tiers a build may use."""

    allowed: tuple[LicenceTier, ...] = ("open", "share-alike")
    """Datasets of other tiers are refused with `licence_refused`."""


def admit(
    ref: DatasetRef, statements: Sequence[Statement], config: LicenceConfig
) -> Licence | Drop:
    """The licence of a dataset, or why it is refused."""
    evidence = tuple(f"{s.where}: {s.text}"[:_EVIDENCE_CHARS] for s in statements)
    readings = [read_licence(statement.text) for statement in statements]
    known = [reading for reading in readings if reading is not None]
    if not known or len(known) < len(readings):
        detail = "expected a licence with an SPDX identifier, found: " + (
            "; ".join(evidence) or "no statement"
        )
        return _refusal(ref, Reason.LICENCE_UNKNOWN, detail, evidence)
    spdx, tier = max(known, key=_strictness)
    if tier not in config.allowed:
        detail = f"licence {spdx} is in the tier {tier}, allowed are: {', '.join(config.allowed)}"
        return _refusal(ref, Reason.LICENCE_REFUSED, detail, evidence)
    return Licence(spdx=spdx, tier=tier, evidence=evidence)


def read_licence(text: str) -> tuple[str, LicenceTier] | None:
    """SPDX identifier and tier of one statement; None when it is unknown or names no licence."""
    text = unicodedata.normalize("NFKC", text)
    if _STRANGE.search(text):
        # A sign may say what letters do not, or take back what they do.
        return None
    words = _canonical(text)
    if spdx := _READINGS.get(words):
        return spdx, _tier(spdx.split(" AND "))
    return _creative_commons(words) or _expression(text)


def _expression(text: str) -> tuple[str, LicenceTier] | None:
    """An SPDX expression of licences that we know; of a choice the strictest counts too."""
    from license_expression import ExpressionError, ParseError

    licensing = _licensing()
    try:
        expression = licensing.parse(text.strip(), validate=True, strict=True)
    except (ExpressionError, ParseError, RecursionError):
        return None
    # With an exception, a licence is another one.
    keys = licensing.license_keys(expression) if expression is not None else []
    if not keys or " WITH " in str(expression) or not all(map(_is_known, keys)):
        return None
    return str(expression), _tier(keys)


@cache
def _licensing() -> "Licensing":
    """The licences of SPDX, which the library would read from its files for each statement."""
    from license_expression import get_spdx_licensing

    licensing = get_spdx_licensing()
    # Builds its tables now: two threads that did so later would see each other's half.
    licensing.parse("MIT")
    return licensing


def _is_known(spdx: str) -> bool:
    return spdx in _TIER_OF or _creative_commons(_canonical(spdx)) is not None


def _tier(keys: Sequence[str]) -> LicenceTier:
    """The strictest tier of single licences, each of them known."""
    tiers = []
    for key in keys:
        cc = _creative_commons(_canonical(key))
        tiers.append(cc[1] if cc else _TIER_OF[key])
    return max(tiers, key=_TIERS.index)


def _refusal(ref: DatasetRef, reason: Reason, detail: str, evidence: tuple[str, ...]) -> Drop:
    return dataset_drop(ref.key, reason, detail, evidence="; ".join(evidence))


def _strictness(reading: tuple[str, LicenceTier]) -> tuple[int, bool]:
    """The tier first; in a tier, what asks for attribution is stricter than public domain."""
    spdx, tier = reading
    return _TIERS.index(tier), spdx not in _NO_ATTRIBUTION


def _canonical(text: str) -> str:
    """Lower case words of any script, without punctuation, filler words and the zero in `2.0`."""
    text = re.sub(r"(?:[^\w.]|_)+", " ", text.casefold().replace("licence", "license"))
    text = re.sub(r"\bv?(\d)\.0\b", r"\1", text).replace("u.s.", "us")
    filler = {"the", "license", "version", "international", "unported", "generic", "of", "a"}
    return " ".join(word.strip(".") for word in text.split() if word not in filler)


def _creative_commons(words: str) -> tuple[str, LicenceTier] | None:
    """`CC BY-NC-SA 4.0` in any spelling, with the long name, the short one or both."""
    spelled = words
    for long, short in _CC_WORDS:
        spelled = re.sub(rf"\b{long}\b", short, spelled)
    tokens = spelled.split()
    flags = {token for token in tokens if token in {"by", "nc", "sa", "nd", "igo"}}
    versions = {token for token in tokens if re.fullmatch(r"\d(\.\d)?", token)}
    known = flags | versions | {"cc", "deed"}
    if "by" not in flags or set(tokens) - known or len(versions) > 1:
        return None
    if not versions and "cc" not in tokens:
        return None
    parts = ["CC", "BY", *(flag.upper() for flag in ("nc", "nd", "sa") if flag in flags)]
    if not versions:
        return "LicenseRef-" + "-".join(parts), _cc_tier(flags)
    version = versions.pop()
    parts.append(version if "." in version else f"{version}.0")
    return "-".join(parts + ["IGO"] * ("igo" in flags)), _cc_tier(flags)


def _cc_tier(flags: set[str]) -> LicenceTier:
    if "nd" in flags:
        return "recipe-only"
    if "nc" in flags:
        return "non-commercial"
    return "share-alike" if "sa" in flags else "open"


_CC_WORDS = (
    ("creative commons", "cc"),
    ("attribution", "by"),
    ("non ?commercial", "nc"),
    ("share ?alike", "sa"),
    ("no ?deriv(?:ative)?s", "nd"),
)

# SPDX identifier -> the ways in which sources write it that are no SPDX expression. Kaggle's own
# list is complete here, in its display text and in its short ids.
_SPELLINGS: dict[str, tuple[str, ...]] = {
    "CC0-1.0": (
        "CC0: Public Domain",
        "CC0",
        "CC0 1.0 Universal",
        "Creative Commons Zero v1.0 Universal",
        "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication",
    ),
    "PDDL-1.0": (
        "PDDL",
        "ODC Public Domain Dedication and Licence (PDDL)",
        "Open Data Commons Public Domain Dedication and License",
        "Open Data Commons Public Domain Dedication and License v1.0",
    ),
    "Unlicense": ("The Unlicense",),
    PUBLIC_DOMAIN: (
        "Public Domain",
        "This is public domain.",
        "This is in the public domain.",
        "This data is public domain.",
        "This data is in the public domain.",
        PUBLIC_DOMAIN,
        "U.S. Government Works",
        "US-Government-Works",
        "United States Government Work",
    ),
    "MIT-0": ("MIT No Attribution",),
    "Apache-2.0": ("Apache 2.0", "Apache License, Version 2.0"),
    "BSD-2-Clause": ("BSD 2-Clause Simplified License",),
    "BSD-3-Clause": ("BSD 3-Clause New or Revised License", "New BSD", "Modified BSD"),
    "BSL-1.0": ("Boost Software License 1.0",),
    "ODC-By-1.0": (
        "ODC Attribution License (ODC-By)",
        "ODC-BY",
        "Open Data Commons Attribution License",
        "Open Data Commons Attribution License v1.0",
    ),
    "CDLA-Permissive-1.0": (
        "Community Data License Agreement - Permissive - Version 1.0",
        "CDLA Permissive 1.0",
    ),
    "CDLA-Permissive-2.0": (
        "Community Data License Agreement - Permissive - Version 2.0",
        "CDLA Permissive 2.0",
    ),
    "OGL-UK-3.0": ("Open Government Licence v3.0",),
    "etalab-2.0": ("Etalab Open License 2.0",),
    "ODbL-1.0": (
        "ODbL",
        "Open Database License",
        "Open Data Commons Open Database License",
        "Open Data Commons Open Database License v1.0",
        "Database: Open Database, Contents: © Original Authors",
        "Database: Open Database, Contents: Original Authors",
    ),
    # The licence of contents alone says nothing about the database that they stand in.
    "ODbL-1.0 AND DbCL-1.0": (
        "Database: Open Database, Contents: Database Contents",
        "DbCL",
        "DbCL-1.0",
    ),
    "CDLA-Sharing-1.0": (
        "Community Data License Agreement - Sharing - Version 1.0",
        "CDLA Sharing 1.0",
    ),
    "GPL-2.0-only": ("GPL 2", "GPL v2", "GNU GPL 2"),
    "GPL-3.0-only": ("GPL 3", "GPL v3", "GNU GPL 3", "GNU General Public License 3.0"),
    "LGPL-3.0-only": ("GNU Lesser General Public License 3.0", "GNU LGPL 3.0"),
    "AGPL-3.0-only": ("GNU Affero General Public License 3.0", "GNU AGPL 3.0"),
    "GFDL-1.3-only": ("GNU Free Documentation License 1.3", "GNU FDL 1.3", "FDL 1.3"),
    "MPL-2.0": ("Mozilla Public License 2.0",),
    "LicenseRef-World-Bank": ("World Bank Dataset Terms of Use", "World Bank", "worldbank"),
    "LicenseRef-EU-ODP": ("EU ODP Legal Notice", "EU-ODP-Legal-Notice"),
    "LicenseRef-Reddit-API": ("Reddit API Terms", "reddit-api"),
    "LicenseRef-copyright-authors": ("Data files © Original Authors", "copyright-authors"),
}
_TIER_OF: dict[str, LicenceTier] = {
    **dict.fromkeys(_NO_ATTRIBUTION, "open"),
    **dict.fromkeys(("MIT", "MIT-0", "ISC", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause"), "open"),
    **dict.fromkeys(("BSL-1.0", "ODC-By-1.0", "OGL-UK-3.0", "etalab-2.0"), "open"),
    **dict.fromkeys(("CDLA-Permissive-1.0", "CDLA-Permissive-2.0"), "open"),
    **dict.fromkeys(("ODbL-1.0", "DbCL-1.0", "CDLA-Sharing-1.0", "MPL-2.0"), "share-alike"),
    **dict.fromkeys(("GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only"), "share-alike"),
    **dict.fromkeys(("GPL-3.0-or-later", "LGPL-3.0-only", "AGPL-3.0-only"), "share-alike"),
    "GFDL-1.3-only": "share-alike",
    # Known terms that bind each use to conditions a release cannot pass on.
    **dict.fromkeys(("LicenseRef-World-Bank", "LicenseRef-EU-ODP"), "recipe-only"),
    **dict.fromkeys(("LicenseRef-Reddit-API", "LicenseRef-copyright-authors"), "recipe-only"),
}
"""Single licences other than those of Creative Commons, whose names say what they ask for."""
_READINGS = {
    **{_canonical(spdx): spdx for spdx in _TIER_OF},
    **{_canonical(text): spdx for spdx, texts in _SPELLINGS.items() for text in texts},
}
