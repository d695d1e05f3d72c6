"""What is known about a source beyond its tables: age, twins, truth of its words, artificiality."""
