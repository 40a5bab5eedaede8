"""Which form a contest's data have: the reader in `kit/data/sources` that takes them, and the keys that it needs."""
