"""Which tasks to withhold so that no file shows another task's answer.

Takes findings of the search; returns the fewest tasks (chosen greedily) without which none of them
remains. Withholding one of two tasks is the last repair: both are good alone, together they are
not. It cannot help where an answer stands in a file that belongs to no task.
"""

from collections import Counter
from collections.abc import Sequence

from publish.search.answer_leak import AnswerLeak


def tasks_to_withhold(leaks: Sequence[AnswerLeak]) -> dict[str, AnswerLeak]:
    """Tasks to withhold, each with the leak that is the reason; ties withhold the showing task."""
    refused: dict[str, AnswerLeak] = {}
    remaining = [leak for leak in leaks if leak.holder]
    while remaining:
        worst = _worst(remaining)
        refused[worst] = next(f for f in remaining if worst in (f.task_id, f.holder))
        remaining = [f for f in remaining if worst not in (f.task_id, f.holder)]
    return refused


def _worst(leaks: Sequence[AnswerLeak]) -> str:
    own = {leak.holder for leak in leaks if leak.holder == leak.task_id}
    if own:
        return min(own)
    pairs = {(leak.holder, leak.task_id) for leak in leaks}
    partners = Counter(name for pair in {frozenset(pair) for pair in pairs} for name in pair)
    shows = Counter(holder for holder, _ in pairs)
    return min(partners, key=lambda name: (-partners[name], -shows[name], name))
