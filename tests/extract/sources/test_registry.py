"""A new source is one file: its kind can be chosen, and its settings are a section."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

import extract.sources
from extract.licenses import LicenceConfig
from extract.source import Opening
from extract.sources.registry import source_kinds
from flows.settings import SourceConfig, source_config

NEW = """
from contextlib import contextmanager
from typing import ClassVar
from extract.source import Source, SourceKind

class Nothing(Source):
    def refs(self):
        return ()
    def fetch(self, ref):
        raise AssertionError

class NothingConfig(SourceKind):
    kind: ClassVar[str] = "nothing"
    empty_advice: ClassVar[str] = "as expected in {folder}"
    depth: int = 3

    @contextmanager
    def open(self, opening):
        yield Nothing()
"""


@pytest.fixture
def new_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "nothing.py").write_text(NEW)
    monkeypatch.setattr(extract.sources, "__path__", [*extract.sources.__path__, str(tmp_path)])
    source_kinds.cache_clear()
    yield
    source_kinds.cache_clear()


def test_the_kinds_are_those_of_the_files() -> None:
    assert list(source_kinds()) == ["bundled", "kaggle", "mirror"]


def test_every_kind_says_what_it_is(tmp_path: Path) -> None:
    for name, kind in source_kinds().items():
        assert kind.kind == name
        assert kind.empty_advice.format(folder=tmp_path)
        assert SourceConfig(kind=name).chosen == kind()
        assert bool(kind.service) == bool(kind().n_connections) == bool(kind.worker_memory_mb)


@pytest.mark.usefixtures("new_source")
def test_a_new_source_is_one_file(tmp_path: Path) -> None:
    config = source_config(source_kinds())
    settings = config.model_validate({"kind": "nothing", "nothing": {"depth": 4}})
    assert settings.chosen.model_dump() == {"depth": 4}
    opening = Opening(tmp_path, LicenceConfig(), {})
    with settings.chosen.open(opening) as source:
        assert source.refs() == ()
        assert source.bytes_transferred == 0
        source.conclude([])
    with pytest.raises(ValidationError, match="'bundled', 'kaggle', 'mirror' or 'nothing'"):
        config(kind="other")
