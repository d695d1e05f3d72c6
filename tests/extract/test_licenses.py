"""Licences: every name on Kaggle's list, the stricter of two statements, the unknown refused."""

import pytest
from license_expression import get_spdx_licensing

from extract.dataset import DatasetRef, Licence
from extract.drop import Drop
from extract.licenses import LicenceConfig, Statement, admit, read_licence

REF = DatasetRef(owner="someone", slug="something")

READINGS = [
    ("CC0: Public Domain", "CC0-1.0", "open"),
    ("CC0-1.0", "CC0-1.0", "open"),
    ("MIT", "MIT", "open"),
    ("Apache 2.0", "Apache-2.0", "open"),
    ("apache-2.0", "Apache-2.0", "open"),
    ("Attribution 4.0 International (CC BY 4.0)", "CC-BY-4.0", "open"),
    ("CC-BY-4.0", "CC-BY-4.0", "open"),
    ("cc-by-4.0", "CC-BY-4.0", "open"),
    ("Attribution 3.0 Unported (CC BY 3.0)", "CC-BY-3.0", "open"),
    ("Attribution 3.0 IGO (CC BY 3.0 IGO)", "CC-BY-3.0-IGO", "open"),
    ("ODC Public Domain Dedication and Licence (PDDL)", "PDDL-1.0", "open"),
    ("PDDL", "PDDL-1.0", "open"),
    ("ODC Attribution License (ODC-By)", "ODC-By-1.0", "open"),
    ("Community Data License Agreement - Permissive - Version 1.0", "CDLA-Permissive-1.0", "open"),
    ("U.S. Government Works", "LicenseRef-public-domain", "open"),
    ("BSD-3-Clause", "BSD-3-Clause", "open"),
    ("CC BY-SA 4.0", "CC-BY-SA-4.0", "share-alike"),
    ("CC BY-SA 3.0", "CC-BY-SA-3.0", "share-alike"),
    ("Attribution-ShareAlike 4.0 International (CC BY-SA 4.0)", "CC-BY-SA-4.0", "share-alike"),
    (
        "Database: Open Database, Contents: Database Contents",
        "ODbL-1.0 AND DbCL-1.0",
        "share-alike",
    ),
    ("Database: Open Database, Contents: © Original Authors", "ODbL-1.0", "share-alike"),
    ("ODbL-1.0", "ODbL-1.0", "share-alike"),
    ("GPL 2", "GPL-2.0-only", "share-alike"),
    ("GPL-3.0", "GPL-3.0-only", "share-alike"),
    ("GNU Lesser General Public License 3.0", "LGPL-3.0-only", "share-alike"),
    ("GNU Affero General Public License 3.0", "AGPL-3.0-only", "share-alike"),
    ("GNU Free Documentation License 1.3", "GFDL-1.3-only", "share-alike"),
    ("Community Data License Agreement - Sharing - Version 1.0", "CDLA-Sharing-1.0", "share-alike"),
    ("CC BY-NC-SA 4.0", "CC-BY-NC-SA-4.0", "non-commercial"),
    (
        "Attribution-NonCommercial 4.0 International (CC BY-NC 4.0)",
        "CC-BY-NC-4.0",
        "non-commercial",
    ),
    (
        "Attribution-NonCommercial-ShareAlike 3.0 IGO (CC BY-NC-SA 3.0 IGO)",
        "CC-BY-NC-SA-3.0-IGO",
        "non-commercial",
    ),
    (
        "Attribution-NoDerivatives 4.0 International (CC BY-ND 4.0)",
        "CC-BY-ND-4.0",
        "recipe-only",
    ),
    (
        "Attribution-NonCommercial-NoDerivatives 4.0 International (CC BY-NC-ND 4.0)",
        "CC-BY-NC-ND-4.0",
        "recipe-only",
    ),
    ("World Bank Dataset Terms of Use", "LicenseRef-World-Bank", "recipe-only"),
    ("EU ODP Legal Notice", "LicenseRef-EU-ODP", "recipe-only"),
    ("Reddit API Terms", "LicenseRef-Reddit-API", "recipe-only"),
    ("Data files © Original Authors", "LicenseRef-copyright-authors", "recipe-only"),
    ("MIT License", "MIT", "open"),
    ("bsd-2-clause", "BSD-2-Clause", "open"),
    ("MIT AND CC-BY-4.0", "MIT AND CC-BY-4.0", "open"),
    ("mit or odbl-1.0", "MIT OR ODbL-1.0", "share-alike"),
    (
        "(MIT OR Apache-2.0) AND CC-BY-NC-4.0",
        "(MIT OR Apache-2.0) AND CC-BY-NC-4.0",
        "non-commercial",
    ),
]


@pytest.mark.parametrize(("text", "spdx", "tier"), READINGS)
def test_known(text: str, spdx: str, tier: str) -> None:
    assert read_licence(text) == (spdx, tier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unknown",
        "Unknown",
        "other",
        "Other (specified in description)",
        "not under CC BY 4.0",
        "MIT or so",
        "CC BY 4.0 and CC BY 3.0",
        "public",
        "MIT AND",
        "MIT AND Proprietary",
        "MIT AND Sleepycat",
        "GPL-2.0-only WITH Classpath-exception-2.0",
        "(" * 150 + "MIT AND Sleepycat" + ")" * 150,
    ],
)
def test_unknown(text: str) -> None:
    assert read_licence(text) is None


def test_what_we_call_a_licence_is_an_spdx_expression() -> None:
    licensing = get_spdx_licensing()
    # SPDX lists DbCL-1.0, the library does not.
    ours = ("LicenseRef-", "ODbL-1.0 AND DbCL-1.0")
    spdx = [spdx for _, spdx, _ in READINGS if not spdx.startswith(ours)]
    assert all(str(licensing.parse(one, validate=True, strict=True)) == one for one in spdx)


def said(*texts: str) -> list[Statement]:
    return [Statement(where=f"file-{i}: field", text=text) for i, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("texts", "spdx"),
    [
        (("CC0: Public Domain", "CC0-1.0"), "CC0-1.0"),
        (("CC0: Public Domain", "CC-BY-4.0"), "CC-BY-4.0"),
        (("CC BY-SA 4.0", "MIT"), "CC-BY-SA-4.0"),
        (("MIT", "ODbL-1.0"), "ODbL-1.0"),
    ],
)
def test_the_stricter_statement_counts(texts: tuple[str, ...], spdx: str) -> None:
    licence = admit(REF, said(*texts), LicenceConfig())
    assert isinstance(licence, Licence)
    assert licence.spdx == spdx
    assert licence.evidence == tuple(f"file-{i}: field: {text}" for i, text in enumerate(texts))


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ((), "licence_unknown"),
        (("unknown",), "licence_unknown"),
        (("CC0: Public Domain", "other"), "licence_unknown"),
        (("CC0: Public Domain", "CC-BY-NC-4.0"), "licence_refused"),
        (("CC BY-ND 4.0",), "licence_refused"),
    ],
)
def test_refused(texts: tuple[str, ...], reason: str) -> None:
    drop = admit(REF, said(*texts), LicenceConfig())
    assert isinstance(drop, Drop)
    assert drop.reason == reason
    assert all(text in drop.evidence for text in texts)


def test_tier_are_configuration() -> None:
    nc = admit(REF, said("CC-BY-NC-4.0"), LicenceConfig(allowed=("non-commercial",)))
    assert isinstance(nc, Licence)
    assert nc.tier == "non-commercial"
    drop = admit(REF, said("MIT"), LicenceConfig(allowed=("share-alike",)))
    assert isinstance(drop, Drop)


@pytest.mark.parametrize(
    "text",
    [
        "CC BY 🄏 4.0",
        "CC BY 4.0 ⊜",
        "CC-BY-4.0 ($̸)",
        "!CC0",
        "¬ CC0",
        "≠CC0",
        "CC0 ❌",
        "Public Domain?",
        "Attribution",
        "by deed",
    ],
)
def test_a_sign_that_may_take_something_back_is_not_passed_over(text: str) -> None:
    assert read_licence(text) is None


def test_letters_in_circles_are_letters() -> None:
    assert read_licence("CC BY-ⓃⒸ 4.0") == ("CC-BY-NC-4.0", "non-commercial")
