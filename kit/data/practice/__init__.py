"""The embedded practice contest: drawn blood cells and a shifted hidden test."""
