"""Where fits run: units of work on every device of this machine, or of a Ray cluster."""
