"""Unpacking: what is good comes out whole, what is hostile gets its reason and touches nothing."""

import hashlib
import random
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from extract.files.archive import BrokenArchiveError, UnpackLimits
from extract.files.unreadable import UnreadableError
from extract.kaggle.limits import KaggleLimits
from extract.kaggle.unzip import Unpacked, unzip
from extract.workers import Workers
from tests.extract.hostile import CELLS, Archive, Member, archives, packed

_MEMORY_MB = 160
"""Of a worker with its interpreter; the bombs hold more."""
_TIME_S = 5
LIMITS = KaggleLimits().unpacked


@pytest.fixture(scope="module")
def worker() -> Iterator[Workers]:
    with Workers(1, memory_mb=_MEMORY_MB) as workers:
        yield workers


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty folder deep in a tree where every slip would meet something."""
    folder = tmp_path / "a" / "b" / "target"
    folder.mkdir(parents=True)
    for above in (tmp_path, tmp_path / "a", tmp_path / "a" / "b"):
        (above / "slip.csv").write_bytes(b"mine")
        (above / "x").write_bytes(b"mine")
        (above / "slip").mkdir()
    return folder


def tree(root: Path, leave_out: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and bytes of everything below `root` but for one folder."""
    entries = {}
    for path in sorted(root.rglob("*")):
        if path == leave_out or leave_out in path.parents:
            continue
        status = path.lstat()
        is_file = stat.S_ISREG(status.st_mode)
        entries[str(path)] = (status.st_mode, path.read_bytes() if is_file else b"")
    return entries


def written(folder: Path, data: bytes) -> Path:
    archive = folder / "archive.zip"
    archive.write_bytes(data)
    return archive


@pytest.mark.parametrize("hostile", archives(), ids=lambda one: one.name)
def test_the_corpus(hostile: Archive, place: Path, worker: Workers, tmp_path: Path) -> None:
    archive = written(tmp_path, hostile.data)
    before = tree(tmp_path, place)
    reason, detail = "", ""
    left_out: tuple[str, ...] = ()
    try:
        unpacked = worker.run(unzip, archive, place, LIMITS, timeout_s=_TIME_S)
        left_out = unpacked.left_out
    except UnreadableError as error:
        reason, detail = error.reason, error.detail
    except BrokenArchiveError as error:
        reason, detail = "broken", str(error)
    assert (reason, left_out) == (hostile.reason, hostile.left_out)
    assert bool(detail) == bool(reason)
    assert detail.isprintable()
    assert tree(tmp_path, place) == before
    assert not Path("/slip.csv").exists()
    inside = tree(place, place / "none")
    assert {stat.S_IFMT(mode) for mode, _ in inside.values()} <= {stat.S_IFREG, stat.S_IFDIR}
    assert all(mode & 0o7111 == 0 for mode, _ in inside.values() if stat.S_ISREG(mode))


def test_the_corpus_is_wide_and_says_what_it_is() -> None:
    corpus = archives()
    assert len(corpus) >= 100
    assert len({one.name for one in corpus}) == len(corpus)
    assert len({one.data for one in corpus}) == len(corpus)
    assert {one.reason for one in corpus} >= {"outside", "bad_name", "name_twice", "not_a_file"}
    assert archives() == corpus


def test_good_members_come_out_whole(place: Path, tmp_path: Path) -> None:
    names = ("b.csv", "a/\u00fc \u65e5 (1).csv", "a/a.csv", ".hidden", "10:30.csv", "no-suffix")
    members = [
        Member(name.encode(), name.encode() * 9, method=8 * (n % 2), flags=0x800)
        for n, name in enumerate(names)
    ]
    folder = Member(b"a/", b"", mode=stat.S_IFDIR | 0o755)
    unpacked = unzip(written(tmp_path, packed(folder, *members)), place, LIMITS)
    assert [file.name for file in unpacked.files] == sorted(names)
    for file in unpacked.files:
        data = (place / file.name).read_bytes()
        assert data == file.name.encode() * 9
        assert (file.bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert unpacked.left_out == ()


def test_the_bounds_are_those_of_the_configuration(place: Path, tmp_path: Path) -> None:
    members = [Member(b"%d.csv" % n, bytes(1000)) for n in range(3)]
    archive = written(tmp_path, packed(*members))

    def limits(**changes: int) -> UnpackLimits:
        return LIMITS.model_copy(update=changes)

    assert len(unzip(archive, place, limits(max_bytes=3000, max_files=3)).files) == 3
    for config, reason in (
        (limits(max_bytes=2999), "expands_too_much"),
        (limits(max_files=2), "too_many_files"),
    ):
        with pytest.raises(UnreadableError) as caught:
            unzip(archive, place, config)
        assert caught.value.reason == reason


def test_a_fault_of_this_machine_is_no_fault_of_the_archive(place: Path, tmp_path: Path) -> None:
    archive = written(tmp_path, packed(Member(b"data/a.csv")))
    (place / "data").write_bytes(b"in the way")
    with pytest.raises(FileExistsError):
        unzip(archive, place, LIMITS)


def test_what_bit_rot_makes_is_whole_or_refused(place: Path, tmp_path: Path) -> None:
    """Bytes are changed, cut and doubled at random; nothing else may be raised than refusals."""
    members = [Member(b"d/%d.csv" % n, CELLS * n, method=8 * (n % 2)) for n in range(1, 6)]
    sound = packed(*members, Member(b"d/", b"", mode=stat.S_IFDIR | 0o755))
    contents = {member.data for member in members}
    before, rng = tree(tmp_path, place), random.Random("bit rot")
    outcomes = set()
    for n in range(400):
        archive = written(tmp_path / "a" / "slip", rotten(sound, rng))
        folder = place / str(n)
        folder.mkdir()
        outcome = outcome_of(archive, folder)
        archive.unlink()
        outcomes.add(outcome if isinstance(outcome, str) else "")
        if isinstance(outcome, Unpacked):
            assert {(folder / file.name).read_bytes() for file in outcome.files} <= contents
    assert tree(tmp_path, place) == before
    assert outcomes >= {"", "broken", "bad_name", "outside"}


def test_names_lead_into_the_folder_or_nowhere(place: Path, tmp_path: Path) -> None:
    parts = ("a", ".", "..", "/", "\\", ":", " ", "\0", "c", "\uff0f", "\u2024", "CON", "\u0301")
    before, rng = tree(tmp_path, place), random.Random("names")
    taken = 0
    for n in range(400):
        name = "".join(rng.choices(parts, k=rng.randint(1, 6)))
        archive = written(tmp_path / "a" / "slip", packed(Member(name.encode())))
        folder = place / str(n)
        folder.mkdir()
        outcome = outcome_of(archive, folder)
        archive.unlink()
        files = [path for path in folder.rglob("*") if path.is_file()]
        if isinstance(outcome, Unpacked):
            taken += 1
            assert [path.relative_to(folder).as_posix() for path in files] == [name]
        else:
            assert files == []
    assert tree(tmp_path, place) == before
    assert 20 < taken < 200


def rotten(data: bytes, rng: random.Random) -> bytes:
    rot = bytearray(data)
    start = rng.randrange(len(rot))
    kind = rng.choice(("byte", "bit", "cut", "doubled", "text"))
    if kind == "byte":
        rot[start] = rng.randrange(256)
    elif kind == "bit":
        rot[start] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del rot[start : start + rng.randint(1, 40)]
    elif kind == "doubled":
        rot[start:start] = rot[start : start + rng.randint(1, 40)]
    else:
        # A name stands twice, and both are changed.
        rot = bytearray(data.replace(b"d/3", rng.choice((b"../", b"d/\0", b"/d3", b"d/2"))))
    return bytes(rot)


def outcome_of(archive: Path, folder: Path) -> Unpacked | str:
    try:
        return unzip(archive, folder, LIMITS)
    except UnreadableError as error:
        return error.reason
    except BrokenArchiveError:
        return "broken"
