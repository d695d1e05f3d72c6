"""Files of strangers opened within bounds, and our own written whole or not at all."""
