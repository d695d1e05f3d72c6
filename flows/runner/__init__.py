"""How Prefect runs on this machine: as a guest that ends when the build does."""
