"""Steps that look along a series."""
