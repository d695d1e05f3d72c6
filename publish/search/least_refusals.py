"""Which tasks to withhold so that no file shows another task's answer.

Enter findings of the search; leave the fewest tasks (chosen greedily) without which none of them
remains. Withholding one of two tasks is the last repair: both are good alone, together they are
not. It cannot help where an answer stands in a file that belongs to no task.
"""

from collections import Counter
from collections.abc import Sequence

from publish.search.answers import ShownAnswer


def least_refusals(findings: Sequence[ShownAnswer]) -> dict[str, ShownAnswer]:
    """Tasks to withhold, each with the finding that names why; ties withhold the showing task."""
    refused: dict[str, ShownAnswer] = {}
    open_findings = [finding for finding in findings if finding.holder]
    while open_findings:
        worst = _worst(open_findings)
        refused[worst] = next(f for f in open_findings if worst in (f.task_id, f.holder))
        open_findings = [f for f in open_findings if worst not in (f.task_id, f.holder)]
    return refused


def _worst(findings: Sequence[ShownAnswer]) -> str:
    alone = {finding.holder for finding in findings if finding.holder == finding.task_id}
    if alone:
        return min(alone)
    pairs = {(finding.holder, finding.task_id) for finding in findings}
    partners = Counter(name for pair in {frozenset(pair) for pair in pairs} for name in pair)
    shows = Counter(holder for holder, _ in pairs)
    return min(partners, key=lambda name: (-partners[name], -shows[name], name))
