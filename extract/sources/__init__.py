"""The kinds of sources, one file each; `registry.py` finds them."""
