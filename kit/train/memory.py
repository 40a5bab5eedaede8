"""Memory: whether an error says that it ran out, and freed memory that the process keeps.

Without the latter glibc returns every large activation to the kernel at each step.

The kernel then hands it back page by page, zeroed. Measured with `python benchmarks/allocator.py`: keeping it makes
training steps of pretrained MobileNetV2 at 96 px faster, and small networks no slower.
"""

from __future__ import annotations

import ctypes
import functools

import torch

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"""Parameters of glibc's mallopt(3)."""


@functools.cache
def keep_freed_memory() -> bool:
    """Tells glibc once; whether it took it. Other C libraries are left alone."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 256 << 20))
    taken = [mallopt(name, value) == 1 for name, value in settings]
    return all(taken)


ON_THE_CPU = "can't allocate memory"
"""What torch's allocator says there; it raises a plain RuntimeError."""


def ran_out(error: BaseException) -> bool:
    """Whether `error` is of memory that ran out, a GPU's or the machine's."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or ON_THE_CPU in str(error)
