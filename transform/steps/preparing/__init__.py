"""Steps that turn clean columns into features."""
