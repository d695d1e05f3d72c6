"""An answer that stands where everybody may read it.

The search makes them, publishing acts on them. One says where the answer stands, not what it is.
"""

from extract.noun import Noun


class AnswerLeak(Noun):
    """An answer in a public place."""

    task_id: str
    """The task whose answer it is; empty for a file that belongs to none."""
    holder: str = ""
    """The task whose file shows it; empty for any other file."""
    place: str
    """The file, by its path in the release or by table and task."""
    detail: str
