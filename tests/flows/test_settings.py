"""Settings: which origin wins, what is refused and how it is told, what a release may say."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import get_args

import pytest

from extract.noun import Noun
from flows.settings import ConfigurationError, Settings, load, resolved
from validate.gate import Gate
from validate.registry import gate_classes

CONFIGS = Path(__file__).parent.parent.parent / "configs"
BUNDLED = CONFIGS / "bundled.yaml"

Refused = Callable[..., str]


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("OPENDARE_"):
            monkeypatch.delenv(name)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "source: {kind: bundled}\nseed: 3\ngates: {not_constant: {largest_share: 0.9}}\n"
    )
    return path


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    """The message with which a configuration is refused."""

    def message(
        text: str = "source: {kind: bundled}",
        assignments: Sequence[str] = (),
        named: Mapping[str, str] | None = None,
    ) -> str:
        path = tmp_path / "wrong.yaml"
        path.write_text(text)
        with pytest.raises(ConfigurationError) as error:
            load(path, assignments, named)
        return str(error.value)

    return message


def share(settings: Settings) -> float:
    (gate,) = (gate for gate in settings.gate_models() if gate.name == "not_constant")
    return float(gate.model_dump()["largest_share"])


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_configuration_is_valid(path: Path, tmp_path: Path) -> None:
    given = {"source.mirror": str(tmp_path)} if path.name == "mirror.yaml" else {}
    assert load(path, named=given).source.kind == path.stem


def test_the_file_then_the_environment_then_the_command_line(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (load(config).seed, share(load(config))) == (3, 0.9)
    monkeypatch.setenv("OPENDARE_SEED", "4")
    monkeypatch.setenv("OPENDARE_GATES__NOT_CONSTANT__LARGEST_SHARE", "0.8")
    assert (load(config).seed, share(load(config))) == (4, 0.8)
    flagged = load(config, ["seed=5", "gates.not_constant.largest_share=0.7"])
    assert (flagged.seed, share(flagged)) == (5, 0.7)


def test_a_named_option_wins_and_is_taken_as_it_stands(config: Path) -> None:
    assert load(config, ["out=a"], {"out": "012"}).out == Path("012")


def test_an_empty_section_is_its_default(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("source: {kind: bundled}\ngates:\n  # nothing yet\n")
    assert load(path).gate_models() == load(BUNDLED).gate_models()


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(BUNDLED).seed = 1


def test_every_gate_is_a_section_and_every_section_a_gate() -> None:
    settings = load(BUNDLED)
    assert [type(gate) for gate in settings.gate_models()] == list(gate_classes())
    assert all(isinstance(gate, Gate) for gate in settings.gate_models())


def test_a_wrong_value_names_field_value_allowance_and_file(refused: Refused) -> None:
    message = refused("source: {kind: ftp}")
    assert "source.kind: found 'ftp'; allowed: 'bundled', 'kaggle' or 'mirror'" in message
    assert "wrong.yaml" in message


def test_all_wrong_fields_are_told_at_once(refused: Refused) -> None:
    message = refused("source: {kind: ftp}\nseed: -1\nsede: 1\n")
    assert len(message.splitlines()) == 4
    assert "seed: found -1; allowed: greater than or equal to 0" in message


@pytest.mark.parametrize(
    ("text", "field", "allowed"),
    [
        ("sede: 1", "sede", "seed"),
        ("gates: {bogus: {}}", "gates.bogus", "not_constant"),
        ("gates: {not_constant: {bogus: 1}}", "gates.not_constant.bogus", "largest_share"),
        ("workers: {executor: {bogus: 1}}", "workers.executor.bogus", "timeout_s"),
        ("_env_file: .env", "_env_file", "seed"),
    ],
)
def test_an_unknown_name_is_told_with_the_known_ones(
    refused: Refused, text: str, field: str, allowed: str
) -> None:
    message = refused(f"source: {{kind: bundled}}\n{text}\n")
    assert f"{field}: found an unknown name" in message
    assert allowed in message.partition("allowed:")[2]


def test_the_origin_is_the_one_whose_value_counted(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENDARE_SEED", "many")
    assert "found 'many'" in refused()
    assert "(from the environment)" in refused()
    assert "(from the command line)" in refused(assignments=["seed=few"])


def test_a_missing_section_is_told(refused: Refused) -> None:
    assert "source: found nothing; allowed: Field required" in refused("seed: 1")


@pytest.mark.parametrize(
    "text",
    ["", "- a list", "1: number", "a: [", "\0"],
    ids=["empty", "list", "key", "broken", "nul"],
)
def test_a_file_of_another_form_is_told_by_name(refused: Refused, text: str) -> None:
    assert "wrong.yaml" in refused(text)


def test_an_absent_file_is_told_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.yaml: No such file"):
        load(Path("absent.yaml"))


@pytest.mark.parametrize("flag", ["seed", "=1", "a..b=1", ".=1", "seed=[", "seed=1=2"])
def test_a_malformed_assignment_is_told(refused: Refused, flag: str) -> None:
    message = refused(assignments=[flag])
    assert "--set" in message or "seed: found '1=2'" in message


def test_an_unknown_section_in_the_environment_is_told(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENDARE_GATE__SIZE", "1")
    assert "OPENDARE_GATE__SIZE: found section 'gate'" in refused()


def test_a_section_that_is_no_json_in_the_environment_is_told(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENDARE_GATES", "x")
    assert '"gates"' in refused()


def test_a_mirror_needs_its_directory_and_only_a_mirror_has_one(
    refused: Refused, tmp_path: Path
) -> None:
    assert "--mirror DIR" in refused("source: {kind: mirror}")
    assert "configs/mirror.yaml" in refused(named={"source.mirror": str(tmp_path)})
    absent = str(tmp_path / "absent")
    message = refused("source: {kind: mirror}", named={"source.mirror": absent})
    assert f"{absent}, which is no directory" in message


def test_kaggle_needs_something_to_look_for(refused: Refused) -> None:
    assert "configs/kaggle.yaml" in refused("source: {kind: kaggle}")
    message = refused("source: {kind: kaggle, kaggle: {datasets: [../etc]}}")
    assert "source.kaggle.datasets: found ['../etc']" in message
    message = refused("source: {kind: kaggle, kaggle: {datasets: [a/b/1, A/b/2]}}")
    assert "a/b is named twice" in message
    message = refused("source: {kind: kaggle, kaggle: {searches: [{tag: [x]}]}}")
    assert "source.kaggle.searches.0.tag: found an unknown name" in message
    assert "allowed: text, tags, licence" in message
    message = refused("source: {kind: bundled}\npublish: {tiers: {nc: tasks_x}}")
    assert "allowed: share-alike, non-commercial, recipe-only" in message
    message = refused("source: {kind: kaggle, kaggle: {searches: [{licence: MIT}]}}")
    assert "'gpl'" in message


def test_the_shipped_configuration_for_kaggle_is_ready(tmp_path: Path) -> None:
    settings = load(CONFIGS / "kaggle.yaml", [], {"state": str(tmp_path)})
    assert settings.source.chosen.model_dump()["searches"]
    assert settings.source_folder == tmp_path / "kaggle"


def test_a_release_never_replaces_something_else(refused: Refused, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for out in (tmp_path, mirror, mirror / "out"):
        named = {"source.mirror": str(mirror), "out": str(out)}
        assert "out: found" in refused("source: {kind: mirror}", named=named)
    assert "out: found '.'" in refused(named={"out": "."})
    state = {"out": str(tmp_path / "a"), "state": str(tmp_path / "a" / "b")}
    assert "this one holds" in refused(named=state)


def test_what_a_release_says_is_json_without_this_machine(tmp_path: Path) -> None:
    places = {"source.mirror": "mirror", "out": "out", "state": "state"}
    named = {field: str(tmp_path / name) for field, name in places.items()}
    (tmp_path / "mirror").mkdir()
    flags = ["workers.count=7", "read.timeout_s=9", "publish.previous=/there"]
    # What differs on purpose: these shape a release.
    flags += ["environments.library_versions=[]", "publish.split.eval_refuses=[]"]
    here = resolved(load(CONFIGS / "mirror.yaml", flags, named))
    text = json.dumps(here)
    assert str(tmp_path) not in text
    assert "/there" not in text
    assert not {"source", "workers", "out", "state"} & set(here)
    assert here == resolved(load(BUNDLED)), "the kind of source shows"


def test_what_a_release_says_follows_every_knob_that_shapes_it() -> None:
    assert resolved(load(BUNDLED, ["seed=1"])) != resolved(load(BUNDLED))
    assert set(resolved(load(BUNDLED))["gates"]) == {gate.name for gate in gate_classes()}  # type: ignore[arg-type]


def test_every_knob_says_what_it_means_and_is_a_noun() -> None:
    for name, field in Settings.model_fields.items():
        for kind in get_args(field.annotation) or (field.annotation,):
            assert isinstance(kind, type), name
            assert issubclass(kind, Noun | Path | int | str | NoneType), name
