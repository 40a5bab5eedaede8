"""Recipes and techniques held against each other on the same rows, as studies do in their tables."""
