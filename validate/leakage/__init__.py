"""What gives the answers of a task away, measured on its files and its truth."""
