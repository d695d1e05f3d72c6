"""Requests and replies of the server of programs, without the process that asks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.building import ROOT, environment

pytestmark = pytest.mark.slow


def test_requests_and_replies_are_lines(tmp_path: Path) -> None:
    (tmp_path / "public").mkdir()
    request = {
        "public": str(tmp_path / "public"),
        "folder": str(tmp_path / "task"),
        "timeout_s": 20,
        "memory_mb": 1000,
    }
    programs = ["print('noise')\nopen('prediction.csv', 'w').close()", "1 / 0"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "transform.run.serve_programs", str(os.getpid())],
        input="".join(json.dumps({**request, "program": text}) + "\n" for text in programs),
        env=environment({"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        text=True,
        check=True,
        timeout=900,
    )
    ready, *replies = done.stdout.splitlines()
    assert ready == "ready"
    good, bad = map(json.loads, replies)
    assert (good["outcome"], good["said"]) == ("answer", str(tmp_path / "task" / "prediction.csv"))
    assert bad["outcome"] == "failed"
    assert "ZeroDivisionError" in bad["said"]
    assert good["cpu_s"] > 0


def test_it_serves_nobody_but_its_parent() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "transform.run.serve_programs", "1"],
        input="",
        env=environment({"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 1
    assert done.stdout == ""
