"""A blend becomes a zip."""
