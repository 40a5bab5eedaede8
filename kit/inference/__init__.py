"""What travels in a submission and scored the out-of-fold rows before; imports nothing of the kit."""
