"""Measuring what a proposer may know of a dataset."""
