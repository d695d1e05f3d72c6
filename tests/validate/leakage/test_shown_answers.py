"""Answers in words are found in whatever form they are listed; words without them are not."""

import json
import random

import pytest

from validate.leakage.shown_answers import shows_answers, tokenised

N = 300
RNG = random.Random("page")
IDS = sorted(RNG.sample(range(1_500), N))
NUMBERS = [round(RNG.lognormvariate(8, 1), 2) for _ in IDS]
LABELS = [RNG.choice(["well", "ill", "not known"]) for _ in IDS]
FLAGS = [RNG.randint(0, 1) for _ in IDS]

FORMS = {
    "table": lambda rows: "\n".join(f"| {i} | {a} |" for i, a in rows),
    "csv": lambda rows: "\n".join(f"{i},{a}" for i, a in rows),
    "json": lambda rows: json.dumps({str(i): a for i, a in rows}),
    "records": lambda rows: json.dumps([{"row_id": i, "y": a} for i, a in rows], indent=1),
    "words": lambda rows: "; ".join(f"row {i} is {a}" for i, a in rows),
    "answer first": lambda rows: "\n".join(f"{a} ({i})" for i, a in rows),
    "beside a column": lambda rows: "\n".join(f"{i}\t{i % 7}.5\t{a}" for i, a in rows),
    "a list": lambda rows: ", ".join(str(a) for _, a in rows),
    "numbered": lambda rows: "\n".join(f"{k}. {a}" for k, (_, a) in enumerate(rows, 2_001)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("answers", [NUMBERS, LABELS, FLAGS], ids=["numbers", "labels", "flags"])
def test_forty_answers_are_found(form: str, answers: list[object]) -> None:
    rows = list(zip(IDS, answers, strict=True))[50:90]
    page = f"# Homes\n\nSold in 2021 and 2022.\n\n{FORMS[form](rows)}\n\nThe end of 40 rows."
    assert shows_answers(tokenised(page), IDS, answers)
    mixed = list(zip(IDS[50:90], RNG.sample(answers, 40), strict=True))
    assert not shows_answers(tokenised(FORMS[form](mixed)), IDS, answers)


@pytest.mark.parametrize("answers", [NUMBERS, LABELS, FLAGS], ids=["numbers", "labels", "flags"])
def test_a_page_may_show_other_rows_and_every_label(answers: list[object]) -> None:
    lines = [f"{i} {RNG.choice(answers)} {RNG.random():.3f}" for i in range(800)]
    assert not shows_answers(tokenised("\n".join(lines)), IDS, answers)
    assert not shows_answers(tokenised("1 ill, 0 well, not known 1 " * 400), IDS, answers)
    assert not shows_answers([], IDS, answers)
