"""Where a fit runs, and in which precision and memory layout: chosen by measurement on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from torch import Tensor, nn

from kit.artefact import read_json, sha256_bytes, write_json
from kit.inference.model import keep_freed_memory
from kit.train.memory import ran_out


@dataclass(frozen=True)
class Precision:
    """How a network is trained; scoring is always float32, as the platform's machine is not known."""

    bf16: bool
    channels_last: bool
    reason: str

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def autocast(self, device: torch.device) -> torch.autocast:
        """Context in which forward passes run."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.bf16)

    @property
    def name(self) -> str:
        return f"{'bf16' if self.bf16 else 'fp32'}, {'channels_last' if self.channels_last else 'contiguous'}"


CANDIDATES = ((False, True), (True, True), (False, False))
"""(bf16, channels_last), tried in this order; bf16 without channels_last never won."""


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


def choose_precision(
    build: Callable[[], nn.Module], batch: Tensor, device: torch.device, cache: Path, key: str
) -> Precision:
    """The fastest of CANDIDATES for a training step of `build()` on `batch` (B, 3, S, S); remembered in `cache`.

    The measured order can flip between two runs where two candidates are close, and with it the last digits of a
    fit, so the first measurement on a machine is kept.
    """
    path = cache / "precision" / f"{sha256_bytes(f'{key}|{machine_name(device)}'.encode())[:16]}.json"
    if path.exists():
        known = read_json(path, rerun=f"rm {path}")
        return Precision(known["bf16"], known["channels_last"], known["reason"])
    speeds = _speeds(build, batch, device)
    best = max(speeds, key=lambda candidate: speeds[candidate])
    listed = ", ".join(f"{Precision(*c, '').name} {speed:.0f}" for c, speed in speeds.items())
    chosen = Precision(*best, f"fastest of: {listed} images/s")
    write_json(path, {"bf16": best[0], "channels_last": best[1], "reason": chosen.reason, "key": key})
    return chosen


def _speeds(build: Callable[[], nn.Module], batch: Tensor, device: torch.device) -> dict[tuple[bool, bool], float]:
    """Images per second of every candidate; of a part of the batch where memory does not hold it."""
    while True:
        try:
            return {candidate: _images_per_second(build(), batch, device, *candidate) for candidate in CANDIDATES}
        except (RuntimeError, MemoryError) as error:
            if not ran_out(error) or len(batch) < 4:
                raise
        batch = batch[: len(batch) // 2]


def _images_per_second(
    net: nn.Module, batch: Tensor, device: torch.device, bf16: bool, channels_last: bool
) -> float:
    precision = Precision(bf16, channels_last, "")
    net = net.to(device).to(memory_format=precision.memory_format).train()
    x = batch.to(device).contiguous(memory_format=precision.memory_format)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        with precision.autocast(device):
            loss = net(x).float().square().mean()
        loss.backward()
        net.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return len(x) / min(seconds[1:])
