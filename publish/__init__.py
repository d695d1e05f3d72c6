"""Fourth room: proven tasks become a release folder."""
