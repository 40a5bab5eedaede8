"""Readers of every form in which training data come."""
