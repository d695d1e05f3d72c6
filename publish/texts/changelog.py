"""What changed for a user since the release before.

Takes the tasks of both releases and this build's refusals; writes `CHANGELOG.md`. Without a
previous release it says so; with one, the old entries stay below. When no task changed, the old
text stays as it was, so that publishing nothing new changes no byte.
"""

from collections.abc import Sequence

from publish.selecting.previous import PreviousTask
from publish.writer import ReleaseContents, TextWriter
from transform.files.markdown import escaped
from transform.task import Task

_TITLE = "# Changes\n"


class Changelog(TextWriter):
    """Writes `CHANGELOG.md`."""

    name = "CHANGELOG.md"
    order = 90

    def text(self, contents: ReleaseContents) -> str:
        """The Markdown text, newest release first."""
        release, folder = contents.settings.release, contents.settings.previous
        if folder is None:
            return f"{_TITLE}\n## {release}\n\nFirst release: {len(contents.tasks)} tasks.\n"
        before = (folder / "CHANGELOG.md").read_text(encoding="utf-8")
        sections = [
            f"### {name} ({len(lines)})\n\n" + "\n".join(lines)
            for name, lines in _differences(contents)
            if lines
        ]
        if not sections:
            return before
        now = "\n\n".join([f"{_TITLE}\n## {release}", *sections])
        return f"{now}\n{before.removeprefix(_TITLE)}"


def _differences(contents: ReleaseContents) -> list[tuple[str, Sequence[str]]]:
    """What was added, removed and changed, one line a task."""
    now = {entry.task_id: entry.task for entry in contents.tasks}
    before = contents.previous
    reasons = {drop.key: drop.reason for drop in contents.rejects}
    gone = "its source or proposal is no longer there"
    both = sorted(now.keys() & before.keys())
    changed = [key for key in both if now[key].task_hash != before[key].task_hash]
    removed = sorted(before.keys() - now.keys())
    return [
        ("Added", [f"- `{key}`" for key in sorted(now.keys() - before.keys())]),
        ("Removed", [f"- `{key}`: {escaped(reasons.get(key, gone))}" for key in removed]),
        ("Changed", [f"- `{key}`: {_difference(now[key], before[key])}" for key in changed]),
    ]


def _difference(task: Task, before: PreviousTask) -> str:
    if task.spec.task_key == before.task_key:
        return "same question and files, other truth"
    return "question or files differ"
