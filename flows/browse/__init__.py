"""What a release holds, for people at a terminal: its tasks, one task, and what was refused."""
