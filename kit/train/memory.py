"""Memory: whether an error says that it ran out."""

from __future__ import annotations

import torch

ON_THE_CPU = "can't allocate memory"
"""What torch's allocator says there; it raises a plain RuntimeError."""


def ran_out(error: BaseException) -> bool:
    """Whether `error` is of memory that ran out, a GPU's or the machine's."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or ON_THE_CPU in str(error)
