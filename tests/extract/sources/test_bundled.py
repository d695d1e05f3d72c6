"""Bundled tables: enough of them, with clear terms, the same bytes every time."""

from pathlib import Path

import pytest

from extract.dataset import Licence
from extract.licenses import LicenceConfig, admit
from extract.source import Listing
from extract.sources.bundled import write_bundled
from extract.sources.mirror import MirrorSource
from extract.store import sha256_of


def hashes(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): sha256_of(path) for path in files}


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundled(tmp_path_factory.mktemp("bundled"))


def test_twice_the_same(bundled: Path, tmp_path: Path) -> None:
    first = hashes(bundled)
    assert hashes(write_bundled(tmp_path)) == first
    (tmp_path / "statsmodels" / "nile" / "nile.csv").unlink()
    assert hashes(write_bundled(tmp_path)) == first
    (tmp_path / "statsmodels" / "nile" / "nile.csv").write_text("year,volume\n1871,1\n")
    assert hashes(write_bundled(tmp_path)) == first
    before = (bundled / "statsmodels" / "nile" / "nile.csv").stat().st_mtime_ns
    write_bundled(bundled)
    assert (bundled / "statsmodels" / "nile" / "nile.csv").stat().st_mtime_ns == before


def test_every_table_says_what_it_is(bundled: Path) -> None:
    source = MirrorSource(bundled)
    refs = source.refs()
    assert len(refs) >= 20
    for ref in refs:
        listing = source.fetch(ref)
        assert isinstance(listing, Listing)
        licence = admit(ref, listing.statements, LicenceConfig())
        assert isinstance(licence, Licence)
        assert licence.tier == "open"
        assert listing.title
        assert len(listing.description) > 100
        assert listing.files == (f"{ref.slug}.csv",)


def test_unclear_terms_are_left_out(bundled: Path) -> None:
    slugs = {ref.slug for ref in MirrorSource(bundled).refs()}
    assert {"sunspots", "co2", "macrodata", "iris", "breast_cancer"} <= slugs
    unclear = {"ccard", "star98", "fair", "heart", "cancer", "fertility", "scotland", "spector"}
    assert not slugs & unclear
