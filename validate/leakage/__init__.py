"""What leaks the answers of a task, measured on its files and its truth."""
