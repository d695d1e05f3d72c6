"""Classes are found by themselves: in a package, in packages below it, and nowhere else."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from extract.registry import concrete_subclasses

BASE = """
from abc import ABC, abstractmethod
class Shape(ABC):
    name = "abstract"
    @abstractmethod
    def area(self): ...
"""
SQUARE = """
from shapes.shape import Shape
class Square(Shape):
    name = "square"
    def area(self): return 1
class Unfinished(Shape):
    name = "unfinished"
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "shapes"
    (folder / "round").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "shape.py").write_text(BASE)
    (folder / "square.py").write_text(SQUARE)
    (folder / "round" / "__init__.py").touch()
    (folder / "round" / "circle.py").write_text(
        SQUARE.replace("square", "circle").replace("Square", "Circle")
        + "from shapes.square import Square\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "shapes"]:
        del sys.modules[name]


def kinds() -> list[str]:
    package, shape = importlib.import_module("shapes"), importlib.import_module("shapes.shape")
    classes = concrete_subclasses(package, shape.Shape, "name")
    assert {name: cls.name for name, cls in classes.items()} == {name: name for name in classes}
    return list(classes)


def test_concrete_classes_are_found_where_they_are_defined(package: Path) -> None:
    assert kinds() == ["circle", "square"]


def test_one_name_has_one_class(package: Path) -> None:
    (package / "again.py").write_text(SQUARE)
    with pytest.raises(AssertionError, match="two classes have the name 'square'"):
        kinds()
