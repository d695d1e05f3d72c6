"""Labels for browsing, on sources of different kinds."""

from typing import Any

import pytest

from extract.evidence.domain import domain
from extract.evidence.language import language
from tests.extract.evidence.conftest import Make


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"tags": ("healthcare",), "title": "Sales of devices"}, "health"),
        ({"tags": (), "title": "Used cars", "description": "price of the cars"}, "automotive"),
        ({"tags": (), "title": "Xyzzy", "description": "carpet scary"}, "other"),
        ({"tags": ("football", "classification"), "title": "Salaries"}, "sports"),
    ],
)
def test_domain_by_keywords(make: Make, fields: dict[str, Any], expected: str) -> None:
    assert domain(make("x", **fields)) == expected


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("This table holds the results of each match that was played in the league.", "en"),
        ("Bu veri seti, Türkiye ligindeki her maç için sonuçları ve oyuncuları içerir ve", None),
        ("Este conjunto de dados contém as transações de um banco e as fraudes de cada dia", None),
        ("id name value", None),
    ],
)
def test_language_only_when_known(make: Make, description: str, expected: str | None) -> None:
    assert language(make("x", title="T", description=description)) == expected
