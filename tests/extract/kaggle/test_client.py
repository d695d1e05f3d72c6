"""The client behind its walls: what reaches it, what it says, and that no secret comes out."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from extract.dataset import DatasetRef
from extract.kaggle.client import Kaggle
from extract.kaggle.credentials import check_credentials
from extract.kaggle.limits import KaggleLimits
from extract.kaggle.queries import PageQuery
from extract.kaggle.service import ServiceFault
from tests.servers.kaggle import KEY, Faults, LoopbackKaggle
from tests.small_mirror import write_small_mirror

ROOT = Path(__file__).parents[3]
CHURN = DatasetRef(owner="ann", slug="churn", version=2)
QUICK = KaggleLimits(
    # Two attempts of the one call that hangs take so long each.
    call_timeout_s=4,
    connections=1,
    attempts=2,
    first_pause_s=0.01,
    longest_pause_s=0.1,
    calls_per_minute=60_000,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_mirror(tmp_path_factory.mktemp("kaggle") / "datasets")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[LoopbackKaggle]:
    lasting = {"GetDatasetMetadata ann/rents": "hang", "GetDatasetMetadata bob/shops": 404}
    with LoopbackKaggle(folder, faults=Faults(lasting=lasting)) as server:
        yield server


@pytest.fixture(scope="module")
def kaggle(server: LoopbackKaggle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kaggle]:
    """With variables beside the credentials that would mislead the client."""
    home = tmp_path_factory.mktemp("home")
    misleading = {"KAGGLE_PROXY": "http://127.0.0.1:1", "KAGGLE_TOKEN": "other", "VERBOSE": "1"}
    environment = {**server.environment, **misleading, "no_proxy": "", "NO_PROXY": ""}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in misleading.items():
            patch.setenv(name, value)
        with Kaggle(environment, home, QUICK) as kaggle:
            kaggle.who_am_i()
            yield kaggle


@pytest.mark.parametrize(
    ("given", "description"),
    [
        ({}, "nothing"),
        ({"KAGGLE_USERNAME": "ann"}, "half a key"),
        ({"KAGGLE_KEY": "secret"}, "half a key"),
        ({"KAGGLE_USERNAME": " ", "KAGGLE_KEY": ""}, "nothing"),
    ],
)
def test_absent_credentials_are_told_with_the_repair(
    given: dict[str, str], description: str
) -> None:
    with pytest.raises(ServiceFault, match=f"found {description}: make a key at") as caught:
        check_credentials(given)
    assert caught.value.kind == "no_access"
    assert "secret" not in str(caught.value)


def test_credentials_of_both_kinds_will_do() -> None:
    check_credentials({"KAGGLE_USERNAME": "ann", "KAGGLE_KEY": "k"})
    check_credentials({"KAGGLE_API_TOKEN": "t"})


def test_variables_that_mislead_the_client_do_not_reach_it(kaggle: Kaggle) -> None:
    assert kaggle.who_am_i()
    page = kaggle.page(PageQuery(max_bytes=1 << 30, page_size=200))
    assert "ann/churn" in {json.loads(record)["ref"] for record in page.records}


def test_metadata_is_what_the_service_sends(kaggle: Kaggle) -> None:
    assert json.loads(kaggle.metadata(CHURN))["info"]["title"] == "The ann/churn table"


@pytest.mark.parametrize(
    ("slug", "kind"), [("ann/rents", "transient"), ("bob/shops", "unavailable")]
)
def test_faults_have_their_kind_and_no_secret(kaggle: Kaggle, slug: str, kind: str) -> None:
    owner, name = slug.split("/")
    with pytest.raises(ServiceFault) as caught:
        kaggle.metadata(DatasetRef(owner=owner, slug=name))
    assert caught.value.kind == kind
    assert slug in str(caught.value)
    assert KEY not in repr(caught.value.args)


def test_what_is_no_json_comes_with_its_words(kaggle: Kaggle) -> None:
    with pytest.raises(ServiceFault) as caught:
        kaggle.metadata(DatasetRef(owner="bad", slug="metadata"))
    assert (caught.value.kind, caught.value.answer) == ("malformed", '{"title": "half a')


def test_an_archive_comes_and_is_unpacked(kaggle: Kaggle, folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive.zip"
    moved = kaggle.download(CHURN, archive, pinned=True)
    assert moved == archive.stat().st_size
    assert kaggle.download(CHURN, archive, pinned=True) == 0, "it is here"
    (tmp_path / "out").mkdir()
    (file,) = kaggle.unpack(archive, tmp_path / "out").files
    original = folder / "ann" / "churn" / file.name
    assert (tmp_path / "out" / file.name).read_bytes() == original.read_bytes()


def test_an_unknown_version_is_unavailable(kaggle: Kaggle, tmp_path: Path) -> None:
    with pytest.raises(ServiceFault, match="404") as caught:
        kaggle.download(
            CHURN.model_copy(update={"version": 77}), tmp_path / "archive.zip", pinned=True
        )
    assert caught.value.kind == "unavailable"


def test_nothing_is_printed_and_nothing_written_at_home(
    server: LoopbackKaggle, tmp_path: Path
) -> None:
    """The client prints on import, and makes folders in the home of the user."""
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from extract.kaggle.client import Kaggle\n"
        "from extract.kaggle.limits import KaggleLimits\n"
        "if __name__ == '__main__':\n"
        "    parts = (os.environ, Path(sys.argv[1]), KaggleLimits())\n"
        "    with Kaggle(*parts) as kaggle:\n"
        "        kaggle.who_am_i()\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    variables = {
        **server.environment,
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "VERBOSE": "1",
    }
    variables.pop("KAGGLE_CONFIG_DIR")
    script = tmp_path / "script.py"
    script.write_text(program)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "client")],
        env={**variables, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert list(home.iterdir()) == []
