"""What is written aside appears whole, or not at all."""

from pathlib import Path

import pytest

from extract.files.atomic import placed, write_placed


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    place = tmp_path / "new" / "file"
    with placed(place) as temporary:
        temporary.write_text("one")
        assert not place.exists()
    assert place.read_text() == "one"
    assert list(place.parent.iterdir()) == [place]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("old")

    def fail() -> None:
        with placed(place) as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert place.read_text() == "old"
    assert list(tmp_path.iterdir()) == [place]


def test_writing_may_happen_in_another_folder(tmp_path: Path) -> None:
    place, aside = tmp_path / "data" / "file", tmp_path / "aside"
    aside.mkdir()
    with placed(place, aside) as temporary:
        temporary.write_text("one")
        assert (temporary.parent, list(place.parent.iterdir())) == (aside, [])
    assert (place.read_text(), list(aside.iterdir())) == ("one", [])


def test_links_can_be_placed_over_links(tmp_path: Path) -> None:
    place = tmp_path / "link"
    for target in ("one", "two"):
        with placed(place) as temporary:
            temporary.symlink_to(target)
    assert place.readlink() == Path("two")


def test_a_text_keeps_its_bytes_and_the_usual_rights(tmp_path: Path) -> None:
    data = b"a\r\nb\xff\n"
    write_placed(tmp_path / "text", data.decode("utf-8", "surrogateescape"))
    assert (tmp_path / "text").read_bytes() == data
    (tmp_path / "plain").touch()
    assert (tmp_path / "text").stat().st_mode == (tmp_path / "plain").stat().st_mode
