"""Third room: every task is tried, and only a proven one passes."""
