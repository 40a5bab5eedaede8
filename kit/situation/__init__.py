"""What the data allow and ask for: symmetries and mild changes that keep the label, clean or shifted, which recipes."""
