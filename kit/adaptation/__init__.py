"""Whether adapting at prediction time pays: tried on held-out rows, one shift a batch and mixed."""
