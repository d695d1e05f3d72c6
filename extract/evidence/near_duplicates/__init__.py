"""Which tables hold the same rows, whatever was done to one of them."""
