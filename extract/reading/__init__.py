"""Bytes of foreign files to typed tables: containers, dialects, headers, numbers, instants."""
