"""Series: their grid, their cells, and what one of them tells about another."""
