"""Runs reference programs for a parent process, inside an interpreter of older libraries.

    python -P -m transform.run.serve_programs PARENT_PID

Standard library only. One request a line on standard input, as JSON: `program`, `public`, `folder`,
`timeout_s`, `memory_mb`, the arguments of `fork_server.run_program`. One reply a line on standard
output: `outcome` (`answer`, `failed`, `died` or `timeout`), `said` (the path of the answer, or why
there is none) and `cpu_s`. The first line, `ready`, comes when the libraries are imported. It ends
with its input or its parent.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from extract.process import cpu_seconds, die_with_parent
from transform.run.fork_server import PRELOAD, ProgramDied, ProgramFailed, run_program

READY = "ready"


def answer_requests() -> None:
    """Run what is asked for until the input ends."""
    die_with_parent(int(sys.argv[1]))
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as replies:
        # What libraries print must not be taken for a reply.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for name in PRELOAD:
            importlib.import_module(name)
        print(READY, file=replies, flush=True)
        for line in sys.stdin:
            print(json.dumps(_reply(**json.loads(line))), file=replies, flush=True)


def _reply(program: str, public: str, folder: str, **limits: Any) -> dict[str, str | float]:
    before = cpu_seconds()
    try:
        outcome, said = "answer", str(run_program(program, Path(public), Path(folder), **limits))
    except ProgramDied as death:
        outcome, said = "died", str(death)
    except ProgramFailed as failure:
        outcome, said = "failed", str(failure)
    except TimeoutError as error:
        outcome, said = "timeout", str(error)
    return {"outcome": outcome, "said": said, "cpu_s": cpu_seconds() - before}


if __name__ == "__main__":
    answer_requests()
