"""Steps that undo noise, and the join that comes before them."""
