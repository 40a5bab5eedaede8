"""A zip is run as its platform runs it."""
