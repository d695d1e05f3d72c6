"""Environments that differ in what may not matter, and the processes that run tasks in them."""
