"""Second room: typed tables become tasks with executed ground truth."""
