"""What a blend scores, nested, and what to expect of it."""
