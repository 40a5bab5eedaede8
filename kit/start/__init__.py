"""`kit init`: looks at a contest's data and writes its file, with what was seen and what was unsure as comments."""
