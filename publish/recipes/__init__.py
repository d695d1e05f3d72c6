"""Tasks whose data may not be passed on: how they are made again."""
