"""Kaggle as a source: its calls and archives, a mirror as its cache, a catalogue."""
