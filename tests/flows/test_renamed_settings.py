"""Settings of older versions are refused with what they are called today."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from flows.renamed_settings import RENAMED, renamed
from flows.settings import ConfigurationError, Settings, load


def is_setting(path: str) -> bool:
    """Whether the settings have a field or a section of this path."""
    model: object = Settings
    for name in path.split("."):
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return False
        names = {field.alias or key: field for key, field in model.model_fields.items()}
        if name not in names:
            return False
        model = names[name].annotation
    return True


@pytest.mark.parametrize(("older", "today"), [(a, b) for a, b in RENAMED.items() if b])
def test_a_setting_has_one_name(older: str, today: str) -> None:
    assert is_setting(older) != is_setting(today)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("panel", {"generations": []}, ["panel.generations is called environments.library_versio"]),
        ("publish.lanes", {"open": "x"}, ["publish.lanes.open is called publish.tiers.open today"]),
        ("design.propose.roles.long_text", 1, ["design.propose.roles.long_text is a constant"]),
        ("workers.lab.timeout_s", 1, ["workers.lab.timeout_s is called workers.executor.timeout_"]),
        (
            "design.propose",
            {"tables": 1, "targets": {"min_skill": 0, "per_kind": 1}},
            [
                "design.propose.tables is called profile.tables today",
                "design.propose.targets.min_skill is called profile.min_skill today",
                "design.propose.targets.per_kind is a constant today",
            ],
        ),
        ("gates.bogus", 1, []),
        ("designs", {}, []),
        ("", None, []),
    ],
)
def test_older_names_say_the_present_one(path: str, value: object, said: list[str]) -> None:
    lines = renamed(path, value).splitlines()[1:]
    assert [line.strip()[: len(part)] for line, part in zip(lines, said, strict=True)] == said


def test_the_refusal_ends_with_the_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "older.yaml"
    config.write_text("source: {kind: bundled}\npanel: {generations: ['1.4']}\n")
    with pytest.raises(ConfigurationError) as error:
        load(config)
    message = str(error.value)
    assert "panel: found an unknown name" in message
    assert message.endswith("panel.generations is called environments.library_versions today")
    monkeypatch.setenv("OPENDARE_PANEL__GENERATIONS", "[]")
    with pytest.raises(ConfigurationError, match=r"called environments\.library_versions today"):
        load(config)
