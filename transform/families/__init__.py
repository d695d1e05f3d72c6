"""How a proposal becomes the tasks of its variants, one family a file."""
