"""Proposers: from the profile of a dataset to typed proposals."""
