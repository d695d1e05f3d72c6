"""The pages cannot drift: what they name exists, and what exists is named."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from typer.main import get_command

from docs.settings_page import PAGE, page
from extract.dataset import RawDataset
from extract.drop import Reason
from extract.memory import Memory
from extract.reading.limits import ReadConfig
from extract.reading.read import read_dataset
from extract.sources.bundled import write_bundled
from extract.sources.mirror import MirrorSource
from extract.store import Store
from extract.stored_table import located
from extract.workers import Workers
from flows.cli import app
from flows.settings import Settings
from tests.planning import plans_of
from transform.files.tables import pick_format
from transform.plan import Plan
from validate.registry import gate_classes

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PAGES}
EVERYTHING = "\n".join(TEXTS.values())
COMMANDS = {command.name for command in app.registered_commands}
VERBS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_drop_reason_is_explained_and_no_other() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| \S", TEXTS["docs/drop-reasons.md"], re.MULTILINE)
    explained = [reason for reason, _ in rows]
    assert set(explained) == {*map(str, Reason), *(gate.name for gate in gate_classes())}
    assert len(explained) == len(set(explained))
    assert {room for _, room in rows} == {"extract", "transform", "validate", "publish", "any"}


def test_the_example_row_is_a_row_of_the_published_schema() -> None:
    schemas = (ROOT / "tests" / "golden" / "publish" / "schemas.txt").read_text()
    columns = re.findall(r"^(\w+):", schemas.partition("[tasks]")[2].partition("\n[")[0], re.M)
    block = TEXTS["docs/walk.md"].split("```text")[1].split("```")[0]
    shown = re.findall(r"^(\w+) +", block, re.MULTILINE)
    assert len(shown) >= 10
    assert set(shown) <= set(columns)


def test_the_page_of_settings_is_written_from_them() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "`make docs` is due"


def test_the_page_of_settings_names_every_section_and_setting() -> None:
    def names(model: type[BaseModel], path: str) -> list[str]:
        inner = []
        for name, field in model.model_fields.items():
            full = f"{path}{field.alias or name}"
            kind = field.annotation
            nested = isinstance(kind, type) and issubclass(kind, BaseModel)
            inner += names(kind, f"{full}.") if nested else [full]  # type: ignore[arg-type]
        return inner

    listed = re.findall(r"^\| `([\w.-]+)` \|.*OPENDARE_", page(), re.MULTILINE)
    assert sorted(listed) == sorted(names(Settings, ""))


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXTS[name]):
        if "://" not in target:
            assert ((ROOT / name).parent / target).exists(), target


def test_every_page_is_linked_from_the_readme() -> None:
    for name in TEXTS:
        assert name == "README.md" or f"({name})" in TEXTS["README.md"], name


def test_commands_are_those_that_exist() -> None:
    named = set(re.findall(r"(?:^|[`/ ])opendare ([a-z]+)", EVERYTHING, re.MULTILINE))
    assert named == COMMANDS


def test_options_are_those_that_exist() -> None:
    parsers = get_command(app).commands.values()
    known = {option for parser in parsers for entry in parser.params for option in entry.opts}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", EVERYTHING))
    # Options of the grader are those of a program of its own.
    assert named - known <= {"--help", "--task", "--reward", "--predictions"}
    assert len(named & known) > 10


def test_verbs_of_make_are_those_that_exist() -> None:
    assert set(re.findall(r"[`\n]make ([a-z-]+)", EVERYTHING)) == VERBS - {"help"}


def test_settings_on_command_lines_exist() -> None:
    given = re.findall(r"(?:--set\s+|SET=\"?)([a-z_]+(?:[.][a-z_-]+)*)=", EVERYTHING)
    assert len(given) >= 3
    for path in given:
        assert f"| `{path}` |" in page() or path == "setting", path


@pytest.mark.slow
def test_the_solution_of_the_readme_reads_the_files_of_its_task(tmp_path: Path) -> None:
    block = TEXTS["README.md"].partition("## Solve and score one")[2]
    (begins,) = re.findall(r"opendare show (\S+) --write", block)
    (form,) = re.findall(r"pd\.read_(\w+)\(", block)
    source, store = MirrorSource(write_bundled(tmp_path / "tables")), Store(str(tmp_path)).opened()
    (ref,) = (ref for ref in source.refs() if begins.startswith(f"{ref.owner}__{ref.slug}__"))
    with Workers(1) as workers:
        raw = read_dataset(source, ref, Memory(store), workers, ReadConfig())
    assert isinstance(raw, RawDataset)
    plans = plans_of(located(raw, store), tmp_path)
    (plan,) = (p for p in plans if isinstance(p, Plan) and p.task_id.startswith(begins))
    # Parquet is picked whatever the columns are; the other formats are not.
    assert pick_format(plan.task_id, (), ()).format == form
