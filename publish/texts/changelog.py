"""What changed for a user since the release before.

Enter the tasks of both releases and this build's refusals; leaves `CHANGELOG.md`. Without a
previous release it says so; with one, the old entries stay below. When no task changed, the old
text stays as it was, so that publishing nothing new changes no byte.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from extract.drop import Drop
from publish.selecting.previous import PreviousTask
from publish.texts.markdown import markdown
from transform.task import Task

_TITLE = "# Changes\n"


def changelog(
    release: str,
    tasks: Sequence[Task],
    previous: Mapping[str, PreviousTask],
    rejects: Sequence[Drop],
    previous_folder: Path | None,
) -> str:
    """The Markdown text, newest release first."""
    if previous_folder is None:
        return f"{_TITLE}\n## {release}\n\nFirst release: {len(tasks)} tasks.\n"
    now = {task.spec.task_id: task for task in tasks}
    added = [f"- `{key}`" for key in sorted(now.keys() - previous.keys())]
    reasons = {drop.key: drop.reason for drop in rejects}
    removed = [
        f"- `{key}`: {markdown(reasons.get(key, 'its source or proposal is no longer there'))}"
        for key in sorted(previous.keys() - now.keys())
    ]
    changed = [
        f"- `{key}`: {_difference(now[key], previous[key])}"
        for key in sorted(now.keys() & previous.keys())
        if now[key].task_hash != previous[key].task_hash
    ]
    old = (previous_folder / "CHANGELOG.md").read_text(encoding="utf-8")
    if not (added or removed or changed):
        return old
    sections = [("Added", added), ("Removed", removed), ("Changed", changed)]
    parts = [
        f"### {name} ({len(lines)})\n\n" + "\n".join(lines) for name, lines in sections if lines
    ]
    return f"{_TITLE}\n## {release}\n\n" + "\n\n".join(parts) + "\n" + old.removeprefix(_TITLE)


def _difference(task: Task, before: PreviousTask) -> str:
    if task.spec.task_key == before.task_key:
        return "same question and files, other truth"
    return "question or files differ"
