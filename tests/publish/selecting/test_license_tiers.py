"""Lanes go to configs by rules that keep the default open and recipes where readers look."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from flows.settings import ConfigurationError, load, resolved
from publish.selecting.license_tiers import LanesConfig

CONFIG = Path("configs/bundled.yaml")


def test_every_lane_has_a_config() -> None:
    lanes = LanesConfig()
    assert lanes.config_of("open") == "tasks"
    assert lanes.config_of("share-alike") == "tasks_share-alike"
    assert lanes.config_of("non-commercial") == "tasks_non-commercial"
    assert lanes.config_of("recipe-only") == "tasks_recipe"
    assert LanesConfig.model_validate({"non-commercial": None}).config_of("non-commercial") is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"open": "tasks_open"}, "should be 'tasks'"),
        ({"open": None}, "should be 'tasks'"),
        ({"share-alike": "tasks"}, "takes the open lane and nothing else"),
        ({"non-commercial": "tasks_recipe"}, "takes the lane recipe-only and nothing else"),
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
        LanesConfig.model_validate(given)


def test_they_survive_json_by_the_names_of_lanes() -> None:
    lanes = LanesConfig(share_alike="tasks_restricted", recipe_only=None)
    text = lanes.model_dump_json()
    assert json.loads(text)["share-alike"] == "tasks_restricted"
    assert LanesConfig.model_validate_json(text) == lanes
    assert hash(lanes) != hash(LanesConfig())


def test_the_command_line_names_lanes() -> None:
    flags = ["publish.lanes.share-alike=tasks_restricted", "publish.lanes.recipe-only=null"]
    settings = load(CONFIG, flags)
    assert settings.publish.lanes.share_alike == "tasks_restricted"
    assert settings.publish.lanes.non_commercial == "tasks_non-commercial"
    assert json.loads(json.dumps(resolved(settings)))["publish"]["lanes"] == {
        "open": "tasks",
        "share-alike": "tasks_restricted",
        "non-commercial": "tasks_non-commercial",
        "recipe-only": None,
    }


def test_so_does_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENDARE_PUBLISH__LANES__NON_COMMERCIAL", "tasks_restricted")
    assert load(CONFIG).publish.lanes.non_commercial == "tasks_restricted"


def test_a_wrong_lane_is_told_with_what_is_allowed() -> None:
    with pytest.raises(ConfigurationError, match=r"publish\.lanes\.share-alike: found 'tasks'"):
        load(CONFIG, ["publish.lanes.share-alike=tasks"])
