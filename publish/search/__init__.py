"""The search for answers in what everybody may read."""
