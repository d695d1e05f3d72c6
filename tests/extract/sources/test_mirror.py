"""The mirror: metadata in every shape the client has written, and hostile names on disk."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from extract.dataset import DatasetRef
from extract.drop import Drop
from extract.source import Listing
from extract.sources.mirror import MirrorSource

INFO = {
    "title": "A title",
    "subtitle": "Below",
    "description": "Long\r\ntext\x00",
    "keywords": ["b", "a"],
    "licenses": [{"name": "CC0-1.0"}],
}
RECORD = {
    "creatorName": "Some One",
    "url": "https://www.kaggle.com/datasets/own/slug",
    "lastUpdated": "2025-03-25T12:20:05.123+02:00",
    "licenseName": "CC0: Public Domain",
    "currentVersionNumber": 7,
}


def mirror_of(root: Path, metadata: str | bytes | None, record: Any = RECORD) -> MirrorSource:
    folder = root / "own" / "slug"
    folder.mkdir(parents=True)
    if metadata is not None:
        data = metadata.encode() if isinstance(metadata, str) else metadata
        (folder / "dataset-metadata.json").write_bytes(data)
    if record is not None:
        (folder / "list-record.json").write_text(json.dumps(record))
    (folder / "data.csv").write_text("a,b\n1,2\n")
    return MirrorSource(root)


def listed(source: MirrorSource) -> Listing:
    (ref,) = source.refs()
    listing = source.fetch(ref)
    assert isinstance(listing, Listing)
    return listing


@pytest.mark.parametrize(
    "metadata",
    [
        json.dumps(INFO),
        json.dumps({"info": INFO}),
        json.dumps(json.dumps(INFO)),
        json.dumps(json.dumps({"info": INFO})),
        json.dumps({**INFO, "id": "Own/Slug"}),
        "\ufeff" + json.dumps(INFO),
    ],
)
def test_shapes_of_metadata(tmp_path: Path, metadata: str) -> None:
    listing = listed(mirror_of(tmp_path, metadata))
    assert listing.ref == DatasetRef(owner="own", slug="slug", version=7)
    assert (listing.title, listing.subtitle) == ("A title", "Below")
    assert listing.description == "Long\ntext"
    assert (listing.tags, listing.creator) == (("a", "b"), "Some One")
    assert listing.updated_at == "2025-03-25T10:20:05Z"
    assert [statement.text for statement in listing.statements] == ["CC0: Public Domain", "CC0-1.0"]
    assert listing.files == ("data.csv",)


def test_missing_fields_and_records(tmp_path: Path) -> None:
    listing = listed(mirror_of(tmp_path / "a", "{}", None))
    assert (listing.title, listing.tags, listing.updated_at) == ("", (), None)
    assert (listing.creator, listing.statements, listing.ref.version) == ("own", (), 1)
    assert listing.url == "https://www.kaggle.com/datasets/own/slug"
    only_list = listed(mirror_of(tmp_path / "b", None))
    assert [statement.text for statement in only_list.statements] == ["CC0: Public Domain"]
    odd = {"title": 5, "keywords": "x", "licenses": "MIT", "description": None}
    listing = listed(mirror_of(tmp_path / "c", json.dumps(odd), {"url": "javascript:alert(1)"}))
    assert (listing.title, [s.text for s in listing.statements]) == ("", ["MIT"])
    assert listing.url.startswith("https://")


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        "",
        "not json",
        "[]",
        "5",
        '{"info": 5}',
        b"\xff\xfe\x00",
        "[" * 100_000,
        '{"id": "somebody/else"}',
        '{"info": {"ownerUser": "somebody", "datasetSlug": "else"}}',
    ],
)
def test_wrong_metadata_is_a_drop_and_nothing_else_is_lost(
    tmp_path: Path, metadata: str | bytes | None
) -> None:
    source = mirror_of(tmp_path, metadata, None)
    good = tmp_path / "good" / "one"
    good.mkdir(parents=True)
    (good / "dataset-metadata.json").write_text(json.dumps(INFO))
    assert [ref.key for ref in source.refs()] == ["good/one", "own/slug"]
    drop = source.fetch(source.refs()[1])
    assert isinstance(drop, Drop)
    assert (drop.reason, drop.key) == ("bad_metadata", "own/slug")
    assert "dataset-metadata.json" in drop.detail
    assert isinstance(source.fetch(source.refs()[0]), Listing)


def test_foreign_text_is_bounded_and_clean(tmp_path: Path) -> None:
    info = {
        "title": "x\n\u202ey" + "z" * 10_000,
        "description": "d" * 10**6,
        "keywords": [f"t{n}" for n in range(999)],
    }
    metadata = json.dumps(info)[:-1] + ', "subtitle": "\\ud800 lone"}'
    listing = listed(mirror_of(tmp_path, metadata))
    assert listing.title.startswith("x yz")
    assert (len(listing.title), len(listing.description), len(listing.tags)) == (300, 20_000, 50)
    assert listing.subtitle == "lone"
    listing.model_dump_json()


def test_hostile_names(tmp_path: Path) -> None:
    source = mirror_of(tmp_path, json.dumps(INFO))
    folder = tmp_path / "own" / "slug"
    (folder / "below").mkdir()
    (folder / "below" / "more.csv").write_text("a\n1\n")
    (folder / "inside.csv").symlink_to("data.csv")
    (folder / "secret.csv").symlink_to("/etc/passwd")
    (folder / "nowhere.csv").symlink_to("gone.csv")
    (folder / "loop.csv").symlink_to("loop.csv")
    (folder / "folder").symlink_to("/etc")
    (folder / "bad\nname.csv").write_text("a\n1\n")
    (folder / ("n" * 220 + ".csv")).write_text("a\n1\n")
    with open(os.fsencode(folder) + b"/\xff.csv", "wb"):
        pass
    os.mkfifo(folder / "pipe.csv")
    (tmp_path / "own" / "link").symlink_to("/etc")
    (tmp_path / "-bad" / "name").mkdir(parents=True)
    (tmp_path / "README.md").write_text("x")
    listing = listed(source)
    assert listing.files == ("below/more.csv", "data.csv", "inside.csv")
    reasons = sorted(file.reason for file in listing.skipped)
    assert reasons == [
        *["bad_name"] * 3,
        *["broken_link"] * 2,
        "not_a_file",
        "outside",
        "outside",
    ]
    assert all(file.name.isprintable() for file in listing.skipped)


def test_metadata_that_is_a_link_elsewhere(tmp_path: Path) -> None:
    source = mirror_of(tmp_path, None, None)
    (tmp_path / "own" / "slug" / "dataset-metadata.json").symlink_to("/etc/passwd")
    drop = source.fetch(source.refs()[0])
    assert isinstance(drop, Drop)
    assert "root" not in drop.evidence


def test_the_real_mirror(mirror: Path) -> None:
    source = MirrorSource(mirror)
    listings = [source.fetch(ref) for ref in source.refs()]
    assert len(listings) >= 10
    assert list(source.refs()) == sorted(source.refs(), key=lambda ref: (ref.owner, ref.slug))
    for listing in listings:
        assert isinstance(listing, Listing)
        assert listing.title
        assert listing.files
        assert listing.statements
        assert not listing.skipped
        assert listing.updated_at is not None


@pytest.mark.parametrize(
    ("info", "record", "said"),
    [
        ({"licenses": [{"name": "CC0-1.0"}], "licenseName": "CC-BY-NC-4.0"}, {}, "CC-BY-NC-4.0"),
        ({"licenses": [{"name": "CC0-1.0"}, {"name": ["MIT"]}]}, {}, "[no text]"),
        ({"licenses": [{"name": "CC0-1.0"}, {"nameNullable": "MIT"}]}, {}, "[no text]"),
        (
            {"licenses": []},
            {"licenseName": "CC0: Public Domain", "licenseNameNullable": "CC BY-NC"},
            "CC BY-NC",
        ),
    ],
)
def test_no_field_about_the_licence_is_passed_over(
    tmp_path: Path, info: dict[str, Any], record: dict[str, Any], said: str
) -> None:
    listing = listed(mirror_of(tmp_path, json.dumps(info), record))
    assert said in [statement.text for statement in listing.statements]


def test_an_odd_id_hides_no_other_dataset(tmp_path: Path) -> None:
    info = {"id": "77", "ownerUser": "other", "datasetSlug": "x"}
    source = mirror_of(tmp_path, json.dumps(info))
    assert isinstance(source.fetch(source.refs()[0]), Drop)
