"""What a release says to people."""
