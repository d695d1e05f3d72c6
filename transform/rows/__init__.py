"""The rows of a task: which of them, how many, and on which side."""
