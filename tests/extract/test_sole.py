"""A second build in the same STATE is told so, and a dead one leaves no lock behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows.lock import StateInUseError, sole_build

HOLDER = """
import sys, time
from pathlib import Path
from flows.lock import sole_build
with sole_build(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_build_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    command = [sys.executable, "-c", HOLDER, str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StateInUseError, match=f"process {holder.pid}"), sole_build(state):
            pass
        holder.kill()
        holder.wait()
    with sole_build(state):
        assert (state / "lock").exists()
