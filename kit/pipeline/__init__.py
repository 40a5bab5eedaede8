"""The run of `make_submission.py`: stages, budget, plan."""
