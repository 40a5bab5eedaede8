"""Ways to combine recipes."""
