"""Sweeps: recipes searched by Optuna, fold by fold, and believed only after a test on what they never saw."""
