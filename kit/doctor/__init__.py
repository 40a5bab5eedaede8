"""`kit doctor`: what this machine has, how fast it is, what it reaches, and what is missing for which feature."""
