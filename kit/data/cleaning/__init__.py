"""What is dropped, what is grouped, and why."""
