"""What the public row of a task says about its grading, with a hash of the answer.

Takes a task; returns JSON text. Not guaranteed: secrecy of an answer that can be guessed in whole,
since whoever holds a truth file may compare it with the hash; that is what the hash is for.
"""

import hashlib
import json

from transform.task import Task


def ground_truth(task: Task) -> str:
    """JSON of what the grader needs beside the truth, with the salted answer hash."""
    grading = task.truth.grading.model_dump(mode="json")
    return json.dumps(grading | {"answer_hash": answer_hash(task)}, ensure_ascii=False)


def answer_hash(task: Task) -> str:
    """`sha256(salt + ":" + sha256(truth))` with `salt = sha256("opendare:" + task_key)`, in hex.

    The salt keeps equal answers of two tasks from having equal hashes.
    """
    salt = hashlib.sha256(f"opendare:{task.spec.task_key}".encode()).hexdigest()
    return hashlib.sha256(f"{salt}:{task.truth.sha256}".encode()).hexdigest()
