"""Whether what a source says of its tables is true of them."""
