"""The walk through the four rooms, its settings and its command line."""
