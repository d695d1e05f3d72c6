"""Licence tiers go to configs by rules: the default stays open, recipes where readers look."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from flows.settings import ConfigurationError, load, resolved
from publish.selecting.license_tiers import LicenceTiersConfig

CONFIG = Path("configs/bundled.yaml")


def test_every_tier_has_a_config() -> None:
    tiers = LicenceTiersConfig()
    assert tiers.config_of("open") == "tasks"
    assert tiers.config_of("share-alike") == "tasks_share-alike"
    assert tiers.config_of("non-commercial") == "tasks_non-commercial"
    assert tiers.config_of("recipe-only") == "tasks_recipe"
    assert (
        LicenceTiersConfig.model_validate({"non-commercial": None}).config_of("non-commercial")
        is None
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"open": "tasks_open"}, "not permitted"),
        ({"share-alike": "tasks"}, "takes the open tier and nothing else"),
        ({"non-commercial": "tasks_recipe"}, "takes the tier recipe-only and nothing else"),
        ({"recipe-only": "tasks"}, "should be 'tasks_recipe'"),
        ({"recipe-only": "tasks_other"}, "should be 'tasks_recipe'"),
        ({"share-alike": "Tasks_x"}, "match pattern"),
        ({"share-alike": "tasks_../../x"}, "match pattern"),
        ({"share-alike": "tasks_a", "share_alike": "tasks_b"}, "not permitted"),
        ({"closed": "tasks_closed"}, "not permitted"),
    ],
)
def test_other_configs_are_refused(given: dict[str, str | None], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LicenceTiersConfig.model_validate(given)


def test_they_survive_json_by_the_names_of_tier() -> None:
    tiers = LicenceTiersConfig(share_alike="tasks_restricted", recipe_only=None)
    text = tiers.model_dump_json()
    assert json.loads(text)["share-alike"] == "tasks_restricted"
    assert LicenceTiersConfig.model_validate_json(text) == tiers
    assert hash(tiers) != hash(LicenceTiersConfig())


def test_the_command_line_names_tier() -> None:
    flags = ["publish.tiers.share-alike=tasks_restricted", "publish.tiers.recipe-only=null"]
    settings = load(CONFIG, flags)
    assert settings.publish.tiers.share_alike == "tasks_restricted"
    assert settings.publish.tiers.non_commercial == "tasks_non-commercial"
    assert json.loads(json.dumps(resolved(settings)))["publish"]["tiers"] == {
        "share-alike": "tasks_restricted",
        "non-commercial": "tasks_non-commercial",
        "recipe-only": None,
    }


def test_so_does_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENDARE_PUBLISH__TIERS__NON_COMMERCIAL", "tasks_restricted")
    assert load(CONFIG).publish.tiers.non_commercial == "tasks_restricted"


def test_a_wrong_tier_is_told_with_what_is_allowed() -> None:
    with pytest.raises(ConfigurationError, match=r"publish\.tiers\.share-alike: found 'tasks'"):
        load(CONFIG, ["publish.tiers.share-alike=tasks"])
