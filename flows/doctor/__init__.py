"""`opendare doctor`: what a build needs of this machine and its user, each with its repair."""
