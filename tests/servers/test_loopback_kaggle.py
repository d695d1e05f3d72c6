"""The loopback Kaggle, asked by the real client in a process of its own, and by bare HTTP."""

import base64
import http.client
import io
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.servers.faults import KINDS, WHERE, Fate, Faults
from tests.servers.kaggle import LoopbackKaggle, made_records
from tests.servers.service import KEY, USERNAME

ROOT = Path(__file__).parent.parent.parent
DATASETS = "/api/v1/datasets.DatasetApiService"
CHURN = {"ownerSlug": "ann", "datasetSlug": "churn"}
BESIDE = ("dataset-metadata.json", "list-record.json")
_KEY = base64.b64encode(f"{USERNAME}:{KEY}".encode()).decode()
BASIC = {"Authorization": f"Basic {_KEY}"}
# What a client answers is the last line; the client itself prints as well.
_CLIENT = """
import json
from kaggle.api.kaggle_api_extended import KaggleApi
api = KaggleApi()
api.authenticate()
def tell(found):
    print()
    print(json.dumps(found))
"""


@dataclass(frozen=True)
class Heard:
    """An answer as it arrived."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A mirror with one dataset, in folders and with a name that needs quoting."""
    churn = tmp_path / "mirror" / "ann" / "churn"
    (churn / "more data").mkdir(parents=True)
    (churn / "customers.csv").write_text("".join(f"{n},{n * n % 97}\n" for n in range(40_000)))
    (churn / "more data" / "Übersicht 1%.csv").write_text("a,b\n1,2\n")
    info = {"title": "Churn", "licenses": [{"name": "CC0-1.0"}], "keywords": ["tabular"]}
    (churn / "dataset-metadata.json").write_text(json.dumps({"info": info}))
    return tmp_path / "mirror"


@pytest.fixture
def kaggle(folder: Path) -> Iterator[LoopbackKaggle]:
    with LoopbackKaggle(folder) as server:
        yield server


def client(server: LoopbackKaggle, code: str, **environment: str) -> Any:
    """What the code tells, run beside a real `KaggleApi`."""
    done = subprocess.run(
        [sys.executable, "-c", _CLIENT + textwrap.dedent(code)],
        env=_environment(server) | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def _environment(server: LoopbackKaggle) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("KAGGLE_")}
    return ours | server.environment


def connect(server: LoopbackKaggle) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=300)


def call(server: LoopbackKaggle, rpc: str, body: object = None, **headers: str) -> Heard:
    path = f"{DATASETS}/{rpc}"
    return _heard(server, "POST", path, json.dumps(body or {}), {**BASIC, **headers})


def address(server: LoopbackKaggle, **more: object) -> str:
    return call(server, "DownloadDataset", {**CHURN, **more}).headers["Location"]


def fetch(server: LoopbackKaggle, url: str, **headers: str) -> Heard:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return _heard(server, "GET", url, None, sent)


def _heard(
    server: LoopbackKaggle, method: str, path: str, body: str | None, headers: Mapping[str, str]
) -> Heard:
    connection = connect(server)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return Heard(answer.status, dict(answer.headers), answer.read())
    finally:
        connection.close()


def contents(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        assert packed.testzip() is None
        return {name: packed.read(name) for name in packed.namelist()}


def published(dataset: Path) -> dict[str, bytes]:
    """What a download of a folder must give."""
    files = [path for path in dataset.rglob("*") if path.is_file() and path.name not in BESIDE]
    return {path.relative_to(dataset).as_posix(): path.read_bytes() for path in files}


# With the real client.


def test_lists_all_pages_with_their_records() -> None:
    records = made_records(450)
    with LoopbackKaggle(records=records) as server:
        pages = client(
            server,
            """
            pages, token = [], None
            while token != "":
                page = api.dataset_list_with_response(page_size=200, page_token=token)
                pages.append([each.to_dict() for each in page.datasets])
                token = page.next_page_token
            tell(pages)
            """,
        )
    assert [len(page) for page in pages] == [200, 200, 50]
    assert _by_ref([record for page in pages for record in page]) == _by_ref(_as_sent(records))


def test_list_records_of_a_mirror_survive(mirror: Path) -> None:
    records = [json.loads(path.read_text()) for path in mirror.glob("*/*/list-record.json")]
    with LoopbackKaggle(mirror) as server:
        printed = client(
            server,
            """
            page = api.dataset_list_with_response(page_size=200)
            tell([each.to_dict() for each in page.datasets])
            """,
        )
    assert len(records) > 1
    assert _by_ref(printed) == _by_ref(_as_sent(records))


def _by_ref(records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {record["ref"]: record for record in records}


def _as_sent(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The client leaves out what equals a default of its own: no votes, no tags."""
    defaults: tuple[object, ...] = (0, [])
    return [
        {name: value for name, value in record.items() if value not in defaults}
        for record in records
    ]


def test_metadata_files_and_status(kaggle: LoopbackKaggle, folder: Path, tmp_path: Path) -> None:
    observed = client(
        kaggle,
        """
        import pathlib, sys, os
        path = api.dataset_metadata("ann/churn", os.environ["TARGET"])
        files = api.dataset_list_files("ann/churn", page_size=1)
        rest = api.dataset_list_files("ann/churn", page_size=1, page_token=files.next_page_token)
        tell({
            "metadata": json.loads(pathlib.Path(path).read_text()),
            "files": [[f.name, f.total_bytes] for f in (*files.files, *rest.files)],
            "end": rest.next_page_token,
            "status": json.loads(api.dataset_status("ann/churn", format="json")),
        })
        """,
        TARGET=str(tmp_path / "target"),
    )
    said = json.loads((folder / "ann" / "churn" / "dataset-metadata.json").read_text())
    files = {name: len(data) for name, data in published(folder / "ann" / "churn").items()}
    assert observed["metadata"] == said
    assert dict(observed["files"]) == files
    assert observed["end"] == ""
    assert observed["status"] == {"status": "ready", "current_version_number": 1}


_DOWNLOAD = """
import os
api.dataset_download_files(os.environ["REF"], path=os.environ["TARGET"], unzip=True, quiet=True)
tell(sorted(os.listdir(os.environ["TARGET"])))
"""


def test_a_download_is_the_folder(kaggle: LoopbackKaggle, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    client(kaggle, _DOWNLOAD, REF="ann/churn", TARGET=str(target))
    assert published(target) == published(folder / "ann" / "churn")
    asked = kaggle.requests
    assert [(each.rpc, each.ref, each.version, each.status) for each in asked] == [
        ("DownloadDataset", "ann/churn", 1, 302),
        ("Storage", "ann/churn", 1, 200),
    ]
    assert [each.authorised for each in asked] == [True, False], "credentials went to storage"
    assert asked[1].sent == len(fetch(kaggle, address(kaggle)).body)


def test_one_file(kaggle: LoopbackKaggle, folder: Path, tmp_path: Path) -> None:
    name = "more data/Übersicht 1%.csv"
    client(
        kaggle,
        """
        import os
        api.dataset_download_file("ann/churn", os.environ["NAME"], path=os.environ["TARGET"])
        tell(None)
        """,
        NAME=name,
        TARGET=str(tmp_path / "target"),
    )
    (file,) = (tmp_path / "target").iterdir()
    assert file.read_bytes() == (folder / "ann" / "churn" / name).read_bytes()
    assert call(kaggle, "DownloadDataset", {**CHURN, "fileName": "../x"}).status == 404


def test_a_pinned_version_stays(kaggle: LoopbackKaggle, folder: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(folder / "ann" / "churn", newer)
    (newer / "customers.csv").write_text("changed\n")
    kaggle.publish("ann/churn", newer, 2)
    for number, expected in ((1, folder / "ann" / "churn"), (2, newer)):
        target = tmp_path / str(number)
        client(kaggle, _DOWNLOAD, REF=f"ann/churn/{number}", TARGET=str(target))
        assert published(target) == published(expected)
    assert call(kaggle, "GetDataset", CHURN).json["currentVersionNumber"] == 2
    assert call(kaggle, "DownloadDataset", CHURN).headers["Location"] == address(
        kaggle, datasetVersionNumber=2
    )
    assert call(kaggle, "DownloadDataset", {**CHURN, "datasetVersionNumber": 3}).status == 404
    with pytest.raises(ValueError, match="a version after 2"):
        kaggle.publish("ann/churn", newer, 2)


def test_the_token_is_accepted(kaggle: LoopbackKaggle) -> None:
    code = "tell([api.get_config_value('auth_method'), len(api.dataset_list())])"
    environment = {"KAGGLE_API_TOKEN": kaggle.token, "KAGGLE_USERNAME": "", "KAGGLE_KEY": ""}
    assert client(kaggle, code, **environment)[1] == 1
    assert kaggle.count("IntrospectToken") >= 1
    assert all(each.authorised for each in kaggle.requests)


def test_wrong_credentials_are_refused(kaggle: LoopbackKaggle) -> None:
    code = """
    from requests import HTTPError
    try:
        api.dataset_list()
    except HTTPError as error:
        tell(error.response.status_code)
    """
    assert client(kaggle, code, KAGGLE_KEY="wrong") == 401
    assert [each.authorised for each in kaggle.requests] == [False]
    assert call(kaggle, "GetDataset", CHURN, Authorization="Bearer wrong").status == 401
    assert call(kaggle, "GetDataset", CHURN, Authorization=f"Bearer {kaggle.token}").status == 200
    path = "/api/v1/security.OAuthService/IntrospectToken"
    heard = _heard(kaggle, "POST", path, json.dumps({"token": "wrong"}), {})
    assert heard.json == {"active": False}


@pytest.mark.slow
def test_the_client_resumes_a_download_that_was_cut(folder: Path, tmp_path: Path) -> None:
    # The client writes whole pieces of 1 MiB and loses the rest.
    incompressible = random.Random(0).randbytes(3 << 20)
    (folder / "ann" / "churn" / "noise.bin").write_bytes(incompressible)
    faults = Faults.passing(1, rate=1.0, most=1, kinds=("cut",))
    with LoopbackKaggle(folder, faults=faults) as server:
        client(server, _DOWNLOAD, REF="ann/churn", TARGET=str(tmp_path / "target"))
        first, second = (each for each in server.requests if each.rpc == "Storage")
    assert published(tmp_path / "target") == published(folder / "ann" / "churn")
    assert (first.fault, first.status, first.start) == ("cut", 200, 0)
    assert (second.fault, second.status, second.start) == ("", 206, 1 << 20)


# With bare HTTP: lists.


def test_both_forms_of_address_on_one_connection(kaggle: LoopbackKaggle) -> None:
    connection = connect(kaggle)
    for path in (f"{DATASETS}/GetDataset", f"http://localhost{DATASETS}/GetDataset"):
        connection.request("POST", path, json.dumps(CHURN), BASIC)
        answer = connection.getresponse()
        kept = connection.sock
        assert json.loads(answer.read())["ref"] == "ann/churn"
        assert connection.sock is kept is not None
    connection.close()


def _refs(server: LoopbackKaggle, **body: object) -> list[str]:
    answer = call(server, "ListDatasets", {"pageSize": 200, **body})
    assert answer.status == 200, answer.body
    return [record["ref"] for record in answer.json["datasets"]]


_RECORDS: tuple[dict[str, Any], ...] = (
    {
        "ref": "ann/one",
        "title": "Prices of Tea",
        "ownerRef": "ann",
        "totalBytes": 100,
        "voteCount": 1,
        "licenseName": "CC0: Public Domain",
        "tags": [{"ref": "t1", "name": "tabular"}, {"ref": "food", "name": "food"}],
    },
    {
        "ref": "bob/two",
        "subtitle": "tea again",
        "ownerRef": "bob",
        "totalBytes": 200,
        "voteCount": 3,
        "licenseName": "Attribution 4.0 International (CC BY 4.0)",
        "tags": [{"ref": "t1", "name": "tabular"}],
    },
    {"ref": "bob/three", "ownerRef": "bob", "totalBytes": 300, "licenseName": "GPL 2"},
    {
        "ref": "cyd/four",
        "totalBytes": 400,
        "voteCount": 3,
        "licenseName": "Database: Open Database, Contents: Database Contents",
    },
    {"ref": "cyd/five", "totalBytes": 500, "voteCount": 2, "licenseName": "Apache 2.0"},
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"sortBy": "DATASET_SORT_BY_VOTES"}, ["two", "four", "five", "one", "three"]),
        ({"search": "TEA"}, ["one", "two"]),
        ({"tagIds": "tabular"}, ["one", "two"]),
        ({"tagIds": "T1,food"}, ["one"]),
        ({"license": "DATASET_LICENSE_GROUP_CC"}, ["one", "two"]),
        ({"license": "DATASET_LICENSE_GROUP_GPL"}, ["three"]),
        ({"license": "DATASET_LICENSE_GROUP_ODB"}, ["four"]),
        ({"license": "DATASET_LICENSE_GROUP_OTHER"}, ["five"]),
        ({"minSize": 200, "maxSize": 400}, ["two", "three", "four"]),
        ({"user": "bob"}, ["two", "three"]),
        ({"user": "cyd", "minSize": 500}, ["five"]),
        ({"fileType": "DATASET_FILE_TYPE_GROUP_PARQUET"}, []),
    ],
)
def test_filters(body: dict[str, object], expected: list[str]) -> None:
    with LoopbackKaggle(records=_RECORDS) as server:
        slugs = [ref.partition("/")[2] for ref in _refs(server, **body)]
    assert slugs == expected if "sortBy" in body else sorted(slugs) == sorted(expected)


def test_file_types_are_those_of_the_files(kaggle: LoopbackKaggle) -> None:
    assert _refs(kaggle, fileType="DATASET_FILE_TYPE_GROUP_CSV") == ["ann/churn"]
    assert _refs(kaggle, fileType="DATASET_FILE_TYPE_GROUP_JSON") == []


def test_pages_by_number_end_at_the_limit() -> None:
    with LoopbackKaggle(records=made_records(500), result_limit=300) as server:
        pages = [_refs(server, page=number) for number in (1, 2, 3)]
        assert (
            call(server, "ListDatasets", {"pageSize": 150, "page": 2}).json["nextPageToken"] == ""
        )
        assert len(_refs(server, pageSize=1_000)) == 200
    assert [len(refs) for refs in pages] == [200, 100, 0]
    assert len({ref for refs in pages for ref in refs}) == 300


@pytest.mark.parametrize(
    "body",
    [
        {"pageToken": "0"},
        {"pageSize": "many"},
        {"sortBy": "DATASET_SORT_BY_TASTE"},
        {"license": 3},
        [1],
        "text",
    ],
)
def test_what_cannot_be_understood_is_refused(kaggle: LoopbackKaggle, body: object) -> None:
    assert call(kaggle, "ListDatasets", body).status == 400


def test_a_token_belongs_to_its_query() -> None:
    with LoopbackKaggle(records=made_records(50)) as server:
        token = call(server, "ListDatasets").json["nextPageToken"]
        assert call(server, "ListDatasets", {"pageToken": token}).status == 200
        assert call(server, "ListDatasets", {"pageToken": token, "user": "x"}).status == 400


def test_a_large_crawl_is_quick() -> None:
    began = time.monotonic()
    with LoopbackKaggle(records=made_records(25_000)) as server:
        connection, token = connect(server), ""
        refs: set[str] = set()
        while True:
            body = json.dumps({"pageSize": 200, "pageToken": token})
            connection.request("POST", f"{DATASETS}/ListDatasets", body, BASIC)
            page = json.loads(connection.getresponse().read())
            refs.update(record["ref"] for record in page["datasets"])
            token = page["nextPageToken"]
            if not token:
                break
        connection.close()
    assert len(refs) == 10_000
    assert time.monotonic() - began < 100


def test_made_records_are_unique_and_repeat() -> None:
    records = made_records(2_000, seed=3)
    assert len({record["ref"] for record in records}) == 2_000
    assert records[:100] == made_records(100, seed=3) != made_records(100, seed=4)


def test_withdrawn_is_gone(kaggle: LoopbackKaggle) -> None:
    url = address(kaggle)
    kaggle.withdraw("ann/churn")
    assert _refs(kaggle) == []
    for rpc in ("GetDataset", "GetDatasetMetadata", "GetDatasetStatus", "DownloadDataset"):
        assert call(kaggle, rpc, CHURN).status == 404
    assert fetch(kaggle, url).status == 404


# What a folder may hold.


def test_records_are_made_up_where_they_are_missing(kaggle: LoopbackKaggle) -> None:
    (record,) = call(kaggle, "ListDatasets").json["datasets"]
    assert (record["title"], record["licenseName"]) == ("Churn", "CC0-1.0")
    assert record["tags"] == [{"ref": "tabular", "name": "tabular"}]


@pytest.mark.parametrize(
    "data", [b'{"title": "half a', b"[]", b'"{}"', b'{"info": []}', b"\xff\x00"]
)
def test_metadata_is_served_as_it_is(folder: Path, data: bytes) -> None:
    (folder / "ann" / "churn" / "dataset-metadata.json").write_bytes(data)
    (folder / "ann" / "churn" / "list-record.json").write_bytes(data)
    with LoopbackKaggle(folder) as server:
        assert call(server, "GetDatasetMetadata", CHURN).body == data
        assert _refs(server) == ["ann/churn"]


def test_the_form_of_uploads_becomes_an_answer(folder: Path) -> None:
    flat = {"id": "ann/churn", "title": "Churn", "licenses": [{"name": "MIT"}]}
    (folder / "ann" / "churn" / "dataset-metadata.json").write_text(json.dumps(flat))
    with LoopbackKaggle(folder) as server:
        info = call(server, "GetDatasetMetadata", CHURN).json["info"]
    assert info == {"ownerUser": "ann", "datasetSlug": "churn", **flat}


def test_a_raw_archive_is_served_as_it_is(folder: Path) -> None:
    hostile = folder / "eve" / "bomb"
    hostile.mkdir(parents=True)
    (hostile / "archive.zip.raw").write_bytes(b"PK\x03\x04 not quite")
    with LoopbackKaggle(folder) as server:
        url = address(server, ownerSlug="eve", datasetSlug="bomb")
        assert fetch(server, url).body == b"PK\x03\x04 not quite"


def test_archives_repeat(folder: Path) -> None:
    archives = []
    for _ in range(2):
        with LoopbackKaggle(folder) as server:
            archives.append(fetch(server, address(server)))
    assert archives[0].body == archives[1].body
    assert archives[0].headers["ETag"] == archives[1].headers["ETag"]
    assert contents(archives[0].body) == published(folder / "ann" / "churn")


# Storage.


def test_ranges(kaggle: LoopbackKaggle) -> None:
    url = address(kaggle)
    full = fetch(kaggle, url)
    size, etag = len(full.body), full.headers["ETag"]
    assert full.headers["Accept-Ranges"] == "bytes"
    rest = fetch(kaggle, url, Range="bytes=100-", If_Range=etag)
    assert (rest.status, rest.body) == (206, full.body[100:])
    assert rest.headers["Content-Range"] == f"bytes 100-{size - 1}/{size}"
    assert fetch(kaggle, url, Range="bytes=5-9").body == full.body[5:10]
    assert fetch(kaggle, url, Range="bytes=-7").body == full.body[-7:]
    modified = full.headers["Last-Modified"]
    assert fetch(kaggle, url, Range="bytes=1-", If_Range=modified).status == 206
    changed = fetch(kaggle, url, Range="bytes=1-", If_Range='"another"')
    assert (changed.status, changed.body) == (200, full.body)
    beyond = fetch(kaggle, url, Range=f"bytes={size}-")
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
    assert fetch(kaggle, url, Range="rows=1-").status == 200
    starts = [each.start for each in kaggle.requests if each.rpc == "Storage"]
    assert starts == [0, 100, 5, 0, 1, 1, size, 0]


def test_what_is_neither_call_nor_object_is_not_found(kaggle: LoopbackKaggle) -> None:
    # A program that takes the server for its proxy sends other traffic here too.
    assert fetch(kaggle, "http://127.0.0.1:9/api/health").status == 404
    assert call(kaggle, "DropTables").status == 404
    assert [each.rpc for each in kaggle.requests] == ["?", "DropTables"]


def test_an_address_without_its_signature_is_refused(kaggle: LoopbackKaggle) -> None:
    url = address(kaggle)
    assert fetch(kaggle, url.partition("?")[0]).status == 403
    assert fetch(kaggle, url.replace("/1/", "/2/")).status == 403
    assert fetch(kaggle, url, Authorization="Basic x").status == 200
    assert [each.authorised for each in kaggle.requests if each.rpc == "Storage"][-1]


# Faults.

Witness = Callable[[LoopbackKaggle, Path], None]


def _status(expected: int, retry_after: str = "") -> Witness:
    def witness(server: LoopbackKaggle, folder: Path) -> None:
        heard = call(server, "GetDataset", CHURN)
        assert heard.status == expected
        assert re.fullmatch(retry_after, heard.headers.get("Retry-After", ""))

    return witness


def _nested(server: LoopbackKaggle, folder: Path) -> None:
    heard = call(server, "GetDataset", CHURN)
    assert (heard.status, heard.json["error"]["code"]) == (429, 429)


def _reset(server: LoopbackKaggle, folder: Path) -> None:
    with pytest.raises(ConnectionResetError) as caught:
        call(server, "GetDataset", CHURN)
    assert not isinstance(caught.value, http.client.RemoteDisconnected)


def _hang(server: LoopbackKaggle, folder: Path) -> None:
    began = time.monotonic()
    with pytest.raises(http.client.RemoteDisconnected):
        call(server, "GetDataset", CHURN)
    assert time.monotonic() - began >= 0.25


def _html(server: LoopbackKaggle, folder: Path) -> None:
    for heard in (call(server, "GetDataset", CHURN), call(server, "DownloadDataset", CHURN)):
        assert (heard.status, heard.body[:9]) == (200, b"<!DOCTYPE")


def _cut(server: LoopbackKaggle, folder: Path) -> None:
    with pytest.raises(http.client.IncompleteRead):
        call(server, "GetDataset", CHURN)
    with pytest.raises(http.client.IncompleteRead) as caught:
        fetch(server, address(server))
    assert len(caught.value.partial) == server.requests[-1].sent > 0


def _drip(server: LoopbackKaggle, folder: Path) -> None:
    began = time.monotonic()
    with pytest.raises(http.client.IncompleteRead) as caught:
        call(server, "GetDataset", CHURN)
    assert len(caught.value.partial) == 5
    assert 0.4 < time.monotonic() - began < 5


def _repeated_token(server: LoopbackKaggle, folder: Path) -> None:
    token = call(server, "ListDatasets").json["nextPageToken"]
    assert call(server, "ListDatasets", {"pageToken": token}).json["nextPageToken"] == token


def _empty_page(server: LoopbackKaggle, folder: Path) -> None:
    first = call(server, "ListDatasets").json
    second = call(server, "ListDatasets", {"pageToken": first["nextPageToken"]}).json
    assert first["datasets"] == second["datasets"] == []
    assert len({"", first["nextPageToken"], second["nextPageToken"]}) == 3


def _corrupt(server: LoopbackKaggle, folder: Path) -> None:
    sound = _sound(folder)
    heard = fetch(server, address(server))
    assert (heard.status, len(heard.body)) == (200, len(sound.body))
    assert heard.headers["ETag"] != sound.headers["ETag"]
    with pytest.raises((AssertionError, zipfile.BadZipFile)):
        contents(heard.body)


def _short_of(server: LoopbackKaggle, folder: Path) -> None:
    sound = _sound(folder)
    heard = fetch(server, address(server))
    assert heard.body == sound.body[: len(sound.body) // 2]
    assert heard.headers["ETag"] == sound.headers["ETag"]
    assert server.requests[-1].sent > len(heard.body)


def _truncated(server: LoopbackKaggle, folder: Path) -> None:
    sound = _sound(folder)
    heard = fetch(server, address(server))
    assert heard.body == sound.body[: len(sound.body) // 2]
    assert heard.headers["ETag"] != sound.headers["ETag"]


def _stale(server: LoopbackKaggle, folder: Path) -> None:
    heard = fetch(server, address(server))
    assert (heard.status, b"ExpiredToken" in heard.body) == (403, True)


def _new_version(server: LoopbackKaggle, folder: Path) -> None:
    sound = contents(_sound(folder).body)
    newer = contents(fetch(server, address(server)).body)
    assert newer.keys() == sound.keys()
    assert newer != sound
    assert server.requests[-1].version == 2
    assert contents(fetch(server, address(server, datasetVersionNumber=1)).body) == sound


def _sound(folder: Path) -> Heard:
    """The same archive without faults."""
    with LoopbackKaggle(folder) as server:
        return fetch(server, address(server))


WITNESSES: dict[str, Witness] = {
    "429": _status(429),
    "429-seconds": _status(429, "1"),
    "429-date": _status(429, r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"),
    "429-nested": _nested,
    "500": _status(500),
    "502": _status(502),
    "503": _status(503),
    "504": _status(504),
    "reset": _reset,
    "hang": _hang,
    "html": _html,
    "cut": _cut,
    "drip": _drip,
    "repeated-token": _repeated_token,
    "empty-page": _empty_page,
    "corrupt": _corrupt,
    "short": _short_of,
    "truncated": _truncated,
    "stale": _stale,
    "new-version": _new_version,
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_fault_shows(folder: Path, kind: str) -> None:
    faults = Faults(lasting={"*": kind}, drip_s=0.5, hang_s=0.3)
    with LoopbackKaggle(folder, faults=faults) as server:
        WITNESSES[kind](server, folder)
        assert kind in {each.fault for each in server.requests}


def test_lasting_faults_touch_what_they_name(folder: Path) -> None:
    shutil.copytree(folder / "ann", folder / "bob")
    lasting: dict[str, int | str] = {
        "GetDatasetMetadata": 503,
        "DownloadDataset ann/churn": 403,
        "bob/churn": 451,
    }
    other = {"ownerSlug": "bob", "datasetSlug": "churn"}
    with LoopbackKaggle(folder, faults=Faults(lasting=lasting)) as server:
        assert call(server, "GetDatasetMetadata", CHURN).status == 503
        assert call(server, "GetDatasetMetadata", other).status == 503
        assert call(server, "DownloadDataset", CHURN).status == 403
        assert call(server, "DownloadDataset", other).status == 451
        assert call(server, "GetDataset", CHURN).status == 200
        assert server.count("GetDatasetMetadata") == 2
        assert server.count("GetDatasetMetadata", "ann/churn") == 1


@pytest.mark.parametrize(
    "lasting",
    [{"ListDatasets": "corrupt"}, {"Download": 503}, {"*": 200}, {"*": "odd"}],
)
def test_a_fault_that_cannot_happen_is_refused(lasting: dict[str, int | str]) -> None:
    with pytest.raises(ValueError, match=r"expected|cannot"):
        Faults(lasting=lasting)


def test_passing_faults_pass_and_repeat() -> None:
    def draws(order: list[str]) -> dict[str, list[str]]:
        fate = Fate(Faults.passing(11, rate=0.9, most=2))
        draws_by_ref: dict[str, list[str]] = {ref: [] for ref in order}
        for ref in order:
            draws_by_ref[ref].append(fate.draw("Storage", ref, ref))
        return draws_by_ref

    one, other = draws(["a/a", "b/b"] * 300), draws(["b/b"] * 300 + ["a/a"] * 300)
    assert one == other
    for faults in one.values():
        assert set(faults) == {"", *WHERE["Storage"]}
        assert max(len(run.split()) for run in " ".join(f or "\n" for f in faults).split("\n")) == 2


def test_closing_ends_what_hangs(folder: Path) -> None:
    ended = threading.Event()

    def ask(server: LoopbackKaggle) -> None:
        with pytest.raises((http.client.HTTPException, OSError)):
            call(server, "GetDataset", CHURN)
        ended.set()

    with LoopbackKaggle(folder, faults=Faults(lasting={"*": "hang"})) as server:
        thread = threading.Thread(target=ask, args=(server,))
        thread.start()
        while not server.count("GetDataset"):
            time.sleep(0.01)
        began = time.monotonic()
    assert ended.wait(300)
    thread.join()
    assert time.monotonic() - began < 100


def test_a_fault_of_its_own_is_raised_at_the_end(folder: Path) -> None:
    server = LoopbackKaggle(folder).__enter__()
    shutil.rmtree(Path(server.environment["KAGGLE_CONFIG_DIR"]).parent / "storage")
    with pytest.raises(http.client.RemoteDisconnected):
        address(server)
    with pytest.raises(ExceptionGroup) as caught:
        server.__exit__(None, None, None)
    assert isinstance(caught.value.exceptions[0], FileNotFoundError)


def test_many_clients_at_once(kaggle: LoopbackKaggle, folder: Path) -> None:
    expected = published(folder / "ann" / "churn")
    wrong: list[int] = []

    def ask(number: int) -> None:
        if contents(fetch(kaggle, address(kaggle)).body) != expected:
            wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    assert kaggle.count("Storage", "ann/churn") == 16


def test_runs_as_a_program(folder: Path) -> None:
    command = [sys.executable, "-m", "tests.servers.kaggle", "--mirror", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            exported = dict(_exported(program.stdout.readline()) for _ in range(7))
            netloc = urlsplit(exported["http_proxy"]).netloc
            connection = http.client.HTTPConnection(netloc, timeout=300)
            connection.request("POST", f"{DATASETS}/GetDataset", json.dumps(CHURN), BASIC)
            assert json.loads(connection.getresponse().read())["ref"] == "ann/churn"
            connection.close()
            program.send_signal(signal.SIGINT)
            assert program.wait(20) == 0
        finally:
            program.kill()
    assert (exported["KAGGLE_USERNAME"], exported["KAGGLE_KEY"]) == (USERNAME, KEY)
    assert exported["no_proxy"] == exported["NO_PROXY"] == "127.0.0.1"


def _exported(line: str) -> tuple[str, str]:
    word, setting = shlex.split(line)
    assert word == "export"
    name, _, value = setting.partition("=")
    return name, value
