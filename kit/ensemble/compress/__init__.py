"""One network made of several."""
