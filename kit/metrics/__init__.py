"""What a contest is judged by: one file a kind of metric, all of them by name in `registry.py`."""
