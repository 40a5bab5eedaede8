"""A submission kit for image-classification contests that judge on a hidden test."""

__version__ = "0.1.0"
