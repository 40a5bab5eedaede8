"""What this machine has to run units on: its GPUs, else its cores."""

from __future__ import annotations

import psutil
import torch

from kit.cluster.unit import Device
from kit.train.device import pick_device, usable_cores

USABLE = 0.85
"""Share of the memory that fits may take together."""
PER_GPU = 3
"""Most fits that share a GPU, where their memory allows it: they share its time too."""


def find_devices(workers: int | None = None) -> tuple[Device, ...]:
    """The GPUs, or this machine's cores as one device of `workers` places (one where it is not given)."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count:
        return _gpus(count, workers)
    return (_apple(workers or 1),) if pick_device().type == "mps" else (cpu_device(workers or 1),)


def cpu_device(workers: int) -> Device:
    """The cores of this machine, shared evenly by `workers` places."""
    free = psutil.virtual_memory().available / 2**20
    return Device("cpu", "cpu", 0, workers, max(1, usable_cores() // workers), free * USABLE)


def _apple(workers: int) -> Device:
    """An Apple chip's GPU, which shares the machine's memory."""
    memory = torch.mps.recommended_max_memory() / 2**20 * USABLE
    return Device("mps", "mps", 0, workers, max(1, usable_cores() // workers), memory)


def _gpus(count: int, workers: int | None) -> tuple[Device, ...]:
    """`workers` places spread over the GPUs, or up to PER_GPU on each."""
    places = [len(range(index, workers, count)) if workers else PER_GPU for index in range(count)]
    threads = max(1, usable_cores() // max(1, sum(places)))
    return tuple(_gpu(index, places[index], threads) for index in range(count) if places[index])


def _gpu(index: int, places: int, threads: int) -> Device:
    properties = torch.cuda.get_device_properties(index)
    memory = properties.total_memory / 2**20 * USABLE
    return Device(f"{properties.name} {index}", "cuda", index, places, threads, memory)
