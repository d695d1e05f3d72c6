"""The fewest tasks are withheld, and none for an answer that stands elsewhere."""

from publish.search.answer_leak import AnswerLeak
from publish.search.withheld import tasks_to_withhold


def _finding(task_id: str, holder: str) -> AnswerLeak:
    return AnswerLeak(
        task_id=task_id, holder=holder, place=f"train of {holder}", detail="holds 1 row"
    )


def test_the_task_in_most_pairs_goes_first() -> None:
    leaks = [_finding("victim", "a"), _finding("victim", "b"), _finding("victim", "c")]
    assert list(tasks_to_withhold(leaks)) == ["victim"]


def test_of_two_the_one_that_shows_goes() -> None:
    assert list(tasks_to_withhold([_finding("a", "z")])) == ["z"]
    assert list(tasks_to_withhold([_finding("z", "a")])) == ["a"]


def test_a_task_that_shows_its_own_answer_goes_always() -> None:
    leaks = [_finding("own", "own"), _finding("x", "own"), _finding("x", "y")]
    assert set(tasks_to_withhold(leaks)) == {"own", "y"}


def test_answers_outside_tasks_cannot_be_repaired() -> None:
    assert tasks_to_withhold([AnswerLeak(task_id="a", place="README.md", detail="SHA-256")]) == {}
