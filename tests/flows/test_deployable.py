"""A flow can be deployed: its parameters travel as JSON and come back as the settings they were."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.runner.quiet import quiet_environment
from flows.settings import Settings, load

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def flows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The flows, imported as a command does it."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    quiet_environment(tmp_path)
    from flows.build import build_split
    from flows.fetch import fetch_all

    return {"build-split": build_split, "fetch": fetch_all}


@pytest.fixture
def settings(tmp_path: Path) -> Callable[[str], Settings]:
    def read(name: str) -> Settings:
        mirror = tmp_path / "mirror"
        mirror.mkdir(exist_ok=True)
        named = {} if name == "bundled" else {"source.mirror": str(mirror)}
        return load(CONFIGS / f"{name}.yaml", ["store=memory://somewhere", "seed=7"], named)

    return read


@pytest.mark.parametrize("name", ["bundled", "mirror", "kaggle"])
def test_settings_survive_json(settings: Callable[[str], Settings], name: str) -> None:
    before = settings(name)
    assert Settings.model_validate_json(before.model_dump_json(by_alias=True)) == before


@pytest.mark.parametrize("name", ["bundled", "mirror", "kaggle"])
def test_flows_take_parameters_as_json(
    flows: dict[str, Any], settings: Callable[[str], Settings], name: str
) -> None:
    before = settings(name)
    for flow in flows.values():
        sent = json.loads(json.dumps(flow.serialize_parameters({"settings": before})))
        assert flow.validate_parameters(sent) == {"settings": before}
        with pytest.raises(Exception, match="seed"):
            flow.validate_parameters({"settings": sent["settings"] | {"seed": "a"}})
