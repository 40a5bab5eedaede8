"""From what a contest hands out to rows that can be trained on: sources, cleaning, folds."""
