"""The public files of a task, and what else lies in its folder."""
