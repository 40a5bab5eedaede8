"""What a platform takes, and what it reported."""
