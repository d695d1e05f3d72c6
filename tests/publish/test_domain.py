"""Labels for browsing, on sources of different kinds."""

from typing import Any

import pytest

from publish.domain import domain
from publish.language import language


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"tags": ("healthcare",), "title": "Sales of devices"}, "health"),
        ({"tags": (), "title": "Used cars", "description": "price of the cars"}, "automotive"),
        ({"tags": (), "title": "Xyzzy", "description": "carpet scary"}, "other"),
        ({"tags": ("football", "classification"), "title": "Salaries"}, "sports"),
    ],
)
def test_domain_by_keywords(workshop: Any, fields: dict[str, Any], expected: str) -> None:
    assert domain(workshop.source("x", **fields)) == expected


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("This table holds the results of each match that was played in the league.", "en"),
        ("Bu veri seti, Türkiye ligindeki her maç için sonuçları ve oyuncuları içerir ve", None),
        ("Este conjunto de dados contém as transações de um banco e as fraudes de cada dia", None),
        ("id name value", None),
    ],
)
def test_language_only_when_known(workshop: Any, description: str, expected: str | None) -> None:
    assert language(workshop.source("x", title="T", description=description)) == expected
