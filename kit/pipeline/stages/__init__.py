"""The stages of `make_submission.py`: each does what is missing, says so, and hands files to the next."""
