"""Where a fit runs: the device, its cores, and what a unit of work pins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import torch
from torch import Tensor

from kit.inference.model import keep_freed_memory


def pick_device(number: int = 0) -> torch.device:
    """The GPU of that number, else an Apple chip's, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", number)
    return torch.device("mps") if torch.backends.mps.is_available() else torch.device("cpu")


def has_bf16(device: torch.device) -> bool:
    """Whether bfloat16 may be tried there; where it is only emulated, measuring it finds it slow."""
    if device.type == "mps":
        return bool(torch.backends.mps.is_macos_or_newer(14, 0))
    return device.type != "cuda" or torch.cuda.is_bf16_supported()


def sent(values: Tensor, device: torch.device) -> Tensor:
    """`values`, of the host, on `device`; a GPU gets them through pinned memory, and nothing waits for it."""
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


def free_bytes(device: torch.device) -> float:
    """Memory of the device that nobody uses; on a CPU, where nothing needs to be copied, no limit."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return float(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return float("inf")


def settle(device: torch.device) -> None:
    """Waits until the device has done all that it was given, so that a clock can be read."""
    if device.type != "cpu":
        _backend(device).synchronize()


def usable_cores() -> int:
    """Cores that this process may use: hyperthreads share one, and a container or OMP_NUM_THREADS may allow fewer."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = os.environ.get("OMP_NUM_THREADS", "")
    cores = min(allowed, psutil.cpu_count(logical=False) or allowed)
    return max(1, min(cores, int(told))) if told.isdecimal() else cores


def global_state(device: torch.device) -> dict[str, Tensor]:
    """The random states of the process that dropout and the like draw from: the CPU's, and the device's."""
    own = {} if device.type == "cpu" else {"device": _backend(device).get_rng_state()}
    return {"cpu": torch.get_rng_state()} | own


def set_global_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Goes on from `global_state`'s values."""
    torch.set_rng_state(state["cpu"])
    if device.type != "cpu" and "device" in state:  # a fit may go on elsewhere than where it began
        _backend(device).set_rng_state(state["device"])


def release(device: torch.device) -> None:
    """Gives the memory back that the device's allocator keeps for later."""
    if device.type != "cpu":
        _backend(device).empty_cache()


def _backend(device: torch.device) -> Any:
    """The module torch.cuda or torch.mps."""
    return getattr(torch, device.type)


@contextmanager
def _forked() -> Iterator[None]:
    """Random states that are put back afterwards: the CPU's, and those of the GPUs that this process uses."""
    device = pick_device()
    before = global_state(device)
    try:
        yield
    finally:
        set_global_state(before, device)


@contextmanager
def pinned(seed: int) -> Iterator[None]:
    """Threads, memory and the global random state of one unit of work; threads and state are put back afterwards."""
    keep_freed_memory()
    threads = torch.get_num_threads()
    torch.set_num_threads(usable_cores())
    try:
        with _forked():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def machine_name(device: torch.device) -> str:
    """What measured speeds hold for."""
    chip = f"{device.type}{torch.get_num_threads()}"
    chip = torch.cuda.get_device_name(device) if device.type == "cuda" else chip
    return f"{chip} {torch.backends.cpu.get_cpu_capability()} torch {torch.__version__}"
