"""Tasks are run: steps in workers, written programs in forks."""
