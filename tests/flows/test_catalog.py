"""`opendare catalog`: a table and CSV of what searches found, safe to look at."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

import extract.kaggle.catalogue
from extract.dataset import DatasetRef
from extract.kaggle.catalogue import COLUMNS, Catalogue, SearchResult
from extract.kaggle.crawl import read_record
from flows.catalog import show_catalogue
from flows.exit_codes import ended
from flows.settings import Settings, load
from tests.outcomes import conclude

ROOT = Path(__file__).parent.parent.parent
EVERYTHING = {"status": "", "reason": "", "match": ""}
ESCAPES = "\x1b]0;owned\x07\x1b[2Jtitle\u202e\r\nline two"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    named = {"source.mirror": str(tmp_path / "mirror"), "state": str(tmp_path / "state")}
    return load(ROOT / "configs" / "kaggle.yaml", (), named)


@pytest.fixture
def catalogue(settings: Settings) -> Catalogue:
    """Three datasets: listed, refused, passed over."""
    settings.source_folder.mkdir(parents=True)
    catalogue = Catalogue(settings.source_folder / "catalog.duckdb")
    low = "usability 0.10, wanted at least 0.80"
    page = [
        seen("ann/churn", title="Churn", licenseName="CC0: Public Domain", totalBytes=1234),
        seen("ann/prices", title="Prices of homes", tags=["business", "tabular"]),
        seen("bob/images").model_copy(update={"passed_over": low}),
    ]
    catalogue.add_results(1, page)
    ref = DatasetRef(owner="ann", slug="prices")
    conclude(catalogue, ref, "refused", "no_table", "one image", ["list-record.json: GPL 2"])
    return catalogue


def seen(key: str, **said: object) -> SearchResult:
    one = read_record(json.dumps({"ref": key, "currentVersionNumber": 2, **said}))
    assert one is not None
    return one


def as_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_table_says_what_is_there_and_why(
    settings: Settings, catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_catalogue(settings, EVERYTHING, as_csv=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        *("dataset", "version", "status", "reason", "licence", "bytes", "detail"),
    ]
    assert "ann/prices  2        refused      no_table" in lines[2]
    assert lines[2].endswith("one image")
    assert lines[3].endswith("usability 0.10, wanted at least 0.80")
    assert [line.split() for line in lines[4:]] == [
        ["status", "reason", "datasets"],
        ["listed", "1"],
        ["passed_over", "search", "1"],
        ["refused", "no_table", "1"],
    ]


def test_csv_has_all_columns(
    settings: Settings, catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_catalogue(settings, EVERYTHING, as_csv=True) == 0
    rows = as_csv(capsys.readouterr().out)
    assert [row["dataset"] for row in rows] == ["ann/churn", "ann/prices", "bob/images"]
    assert list(rows[0]) == list(COLUMNS)
    assert rows[0]["bytes"] == "1234"
    assert rows[1]["licence_evidence"] == "list-record.json: GPL 2"
    assert rows[1]["tags"] == "business; tabular"
    assert rows[1]["versions"] == "2"
    assert json.loads(rows[1]["record"])["ref"] == "ann/prices"


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        ({"status": "refused"}, ["ann/prices"]),
        ({"reason": "search"}, ["bob/images"]),
        ({"match": "HOMES"}, ["ann/prices"]),
        ({"match": "ann/", "status": "listed"}, ["ann/churn"]),
        ({"match": "nobody"}, []),
    ],
)
def test_filters(
    settings: Settings,
    catalogue: Catalogue,
    capsys: pytest.CaptureFixture[str],
    asked: dict[str, str],
    keys: list[str],
) -> None:
    assert show_catalogue(settings, EVERYTHING | asked, as_csv=True) == 0
    assert [row["dataset"] for row in as_csv(capsys.readouterr().out)] == keys
    assert show_catalogue(settings, EVERYTHING | asked, as_csv=False) == 0
    table = capsys.readouterr().out.partition("\nstatus ")[0]
    assert [line.split()[0] for line in table.splitlines()[1 : 1 + len(keys)]] == keys


@pytest.mark.parametrize("terminal", [False, True])
def test_a_terminal_obeys_nothing_that_strangers_wrote(
    settings: Settings,
    catalogue: Catalogue,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
) -> None:
    if terminal:
        monkeypatch.setenv("TTY_COMPATIBLE", "1")
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "300")
    catalogue.add_results(1, [seen("eve/evil", licenseName=f"[red]{ESCAPES}[/red]")])
    ref = DatasetRef(owner="eve", slug="evil")
    conclude(catalogue, ref, "refused", "bad_metadata", f"{ESCAPES} [link=http://x]here[/link]")
    assert show_catalogue(settings, EVERYTHING, as_csv=False) == 0
    shown = capsys.readouterr().out
    assert ("┃" in shown) == terminal
    for escape in ("\x1b]", "\x1b[2J", "\x07", "\u202e", "\r"):
        assert escape not in shown
    assert "[red] ]0;owned [2Jtitle line two[/red]" in shown
    assert "[link=http://x]here[/link]" in shown


def test_a_spreadsheet_obeys_nothing_that_strangers_wrote(
    settings: Settings, catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    formulas = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "\r\n=1", " =1")
    page = [
        seen(f"eve/evil{n}", title=text, licenseName=text, tags=[text])
        for n, text in enumerate(formulas)
    ]
    catalogue.add_results(1, page)
    for one, text in zip(page, formulas, strict=True):
        conclude(catalogue, one.ref, "refused", "bad_metadata", text, [text])
    assert show_catalogue(settings, EVERYTHING | {"match": "eve/"}, as_csv=True) == 0
    rows = as_csv(capsys.readouterr().out)
    for row, text in zip(rows, formulas, strict=True):
        for name in ("title", "licence", "tags", "detail", "licence_evidence"):
            assert row[name] == f"'{text.strip()}", name
        assert not any(value[:1] in ("=", "+", "-", "@", "\t", "\r") for value in row.values())


def test_quotes_and_commas_stay_in_their_cell(
    settings: Settings, catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    title = 'say "a", b;\n=c'
    catalogue.add_results(1, [seen("eve/evil", title=title)])
    assert show_catalogue(settings, EVERYTHING | {"match": "eve/"}, as_csv=True) == 0
    (row,) = as_csv(capsys.readouterr().out)
    assert row["title"] == 'say "a", b; =c'
    assert None not in row


def test_without_a_catalogue_it_says_what_makes_one(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_catalogue(settings, EVERYTHING, as_csv=False) == 2
    heard = capsys.readouterr()
    assert heard.out == ""
    assert f"no catalogue in {settings.source_folder}; `opendare fetch` makes one" in heard.err
    assert not settings.source_folder.exists()


def test_a_damaged_catalogue_is_told_without_a_traceback(
    settings: Settings, catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    (settings.source_folder / "catalog.duckdb").write_bytes(b"damaged" * 9_999)
    assert ended(lambda: show_catalogue(settings, EVERYTHING, as_csv=False)) == 2
    assert "move it away" in capsys.readouterr().err


def test_a_busy_catalogue_is_owed(
    settings: Settings,
    catalogue: Catalogue,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(extract.kaggle.catalogue, "_PATIENCE_S", 0.1)
    hold = "import duckdb, sys; db = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    command = [sys.executable, "-c", hold, str(settings.source_folder / "catalog.duckdb")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        code = ended(lambda: show_catalogue(settings, EVERYTHING, as_csv=False))
        holder.communicate("\n")
    assert code == 3
    assert "try again" in capsys.readouterr().err


def opendare(settings: Settings, *arguments: str) -> list[str]:
    places = ("--mirror", str(settings.source_folder), "--state", str(settings.state))
    return [sys.executable, "-m", "flows.cli", "catalog", *places, *arguments]


def test_the_command_reads_and_changes_nothing(settings: Settings, catalogue: Catalogue) -> None:
    before = {place: place.read_bytes() for place in settings.source_folder.iterdir()}
    command = opendare(settings, "--status", "refused", "--reason", "no_table", "--match", "PRICES")
    result = subprocess.run(
        [*command, "--csv"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert [row["dataset"] for row in as_csv(result.stdout)] == ["ann/prices"]
    assert result.stderr == ""
    assert {place: place.read_bytes() for place in settings.source_folder.iterdir()} == before


@pytest.mark.slow
def test_who_has_read_enough_may_go(settings: Settings, catalogue: Catalogue) -> None:
    """As `head` does."""
    catalogue.add_results(1, [seen(f"ann/many-{n}", description="x" * 20_000) for n in range(40)])
    pipe = subprocess.PIPE
    command = opendare(settings, "--csv")
    with subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("dataset,")
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0


@pytest.mark.slow
def test_a_terminal_without_unicode_gets_the_rest(settings: Settings, catalogue: Catalogue) -> None:
    catalogue.add_results(1, [seen("ann/river", licenseName="Überall 🦆")])
    result = subprocess.run(
        opendare(settings, "--match", "river"),
        cwd=ROOT, capture_output=True, check=False, env={"PYTHONIOENCODING": "ascii", "PATH": ""},
    )  # fmt: skip
    assert result.returncode == 0
    assert b"?berall ?" in result.stdout
