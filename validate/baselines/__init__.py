"""Scripted solvers of rising effort: what room a task leaves, and whether it holds signal."""
