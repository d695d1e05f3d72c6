"""A second user of a folder is told so, and a dead one leaves no lock behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from extract.files.file_lock import InUseError, file_lock

HOLDER = """
import sys, time
from pathlib import Path
from extract.files.file_lock import file_lock
with file_lock(Path(sys.argv[1]), "builds", "--state DIR"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_user_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    lock = tmp_path / "state" / "lock"
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        message = rf"another process \({holder.pid}\) builds; .*--state DIR"
        with pytest.raises(InUseError, match=message), file_lock(lock, "builds", "--state DIR"):
            pass
        holder.kill()
        holder.wait()
    with file_lock(lock, "builds", "--state DIR"):
        assert lock.exists()
