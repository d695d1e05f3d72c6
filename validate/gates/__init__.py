"""The gates: what a task must prove, one small class a file."""
