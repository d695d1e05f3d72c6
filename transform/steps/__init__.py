"""The instruction algebra: one small class a file, everything else generic over them."""
