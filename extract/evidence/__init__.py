"""What a source says about itself and what its tables show, before any task is made of it."""
