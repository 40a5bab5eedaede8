"""Scripts that take a platform's place: each stands alone, imports numpy at most, is valid Python 3.7."""
