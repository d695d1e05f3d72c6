"""Whether the words of a source are true of its tables."""
