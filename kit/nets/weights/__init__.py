"""Pretrained weights: where they lie on this machine, how their files are read, and what the hub gives."""
