"""Which tasks are released, in which config and on which side."""
