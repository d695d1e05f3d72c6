"""What can be seen as series, and what of it is worth forecasting."""
