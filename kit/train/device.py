"""Where a fit runs: the device, its cores, and what a unit of work pins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

from kit.inference.model import keep_freed_memory


def pick_device(number: int = 0) -> torch.device:
    """The GPU of that number, else the CPU."""
    return torch.device("cuda", number) if torch.cuda.is_available() else torch.device("cpu")


def usable_cores() -> int:
    """Cores that this process may use: hyperthreads share one, and a container or OMP_NUM_THREADS may allow fewer."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = os.environ.get("OMP_NUM_THREADS", "")
    cores = min(allowed, psutil.cpu_count(logical=False) or allowed)
    return max(1, min(cores, int(told))) if told.isdecimal() else cores


@contextmanager
def pinned(seed: int) -> Iterator[None]:
    """Threads, memory and the global random state of one unit of work; threads and state are put back afterwards."""
    keep_freed_memory()
    threads = torch.get_num_threads()
    torch.set_num_threads(usable_cores())
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def machine_name(device: torch.device) -> str:
    """What measured speeds hold for."""
    chip = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu{torch.get_num_threads()}"
    return f"{chip} {torch.backends.cpu.get_cpu_capability()} torch {torch.__version__}"
