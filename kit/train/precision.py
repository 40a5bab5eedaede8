"""In which precision and memory layout a network is trained: the fastest on this machine, measured in rounds.

The candidates take turns, so that a machine that slows down slows all of them, and the rounds go on while a
candidate's shortest steps disagree. A measurement that was disturbed holds for an hour, not for good.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from kit.artefact import read_json, sha256_bytes, write_json
from kit.storage import exists
from kit.train.depthwise import quick_depthwise
from kit.train.device import has_bf16, machine_name, settle
from kit.train.memory import ran_out

CANDIDATES = ((False, True), (True, True), (False, False))
"""(bf16, channels_last), tried in this order; bf16 without channels_last never won."""
ON_MPS = ((False, False), (True, False))
"""The same for Apple's chips, whose kernels are written for contiguous tensors."""
FEWEST, MOST = 3, 15
"""Rounds that are measured."""
LONG = 10.0
"""Seconds after which two rounds that agree are enough; twice as many end the measurement."""
BF16 = "bf16"
"""How names of such a precision begin."""
PART = 16
"""Images of a batch that are enough to tell the candidates apart on a CPU: steps of large networks take seconds."""
AGREE = 1.1
"""Factor within which the two shortest steps of a candidate must lie."""
SWITCH = 1.1
"""Factor by which another candidate must win for an earlier, doubted choice to be replaced."""
DOUBT = 1.5
"""Factor by which a candidate that was not chosen must have been faster than the fits are, for doubt."""
HOLDS = 3600.0
"""Seconds for which a disturbed measurement is gone by, so that the folds of one run are trained alike."""

STEPS = "depthwise gradients in bfloat16"
"""What distinguishes the steps that are measured here from those of earlier versions, whose choices no longer hold."""

Candidate = tuple[bool, bool]


@dataclass(frozen=True)
class Precision:
    """How a network is trained; scoring is always float32, as the platform's machine is not known."""

    bf16: bool
    channels_last: bool
    reason: str

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    @contextlib.contextmanager
    def autocast(self, device: torch.device) -> Iterator[None]:
        """Context in which forward passes run."""
        quick = self.bf16 and device.type == "cpu"
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bf16), quick_depthwise(quick):
            yield

    @property
    def name(self) -> str:
        return f"{BF16 if self.bf16 else 'fp32'}, {'channels_last' if self.channels_last else 'contiguous'}"


@dataclass(frozen=True)
class Measured:
    """Images per second of every candidate."""

    speeds: dict[Candidate, float]
    disturbed: str = ""
    """Why the figures may not be kept; empty where they may."""

    def best(self, earlier: Candidate | None) -> Candidate:
        """The fastest; the `earlier` choice where that is about as fast."""
        best = max(self.speeds, key=lambda candidate: self.speeds[candidate])
        if earlier in self.speeds and self.speeds[earlier] * SWITCH >= self.speeds[best]:
            return earlier
        return best

    def reason(self) -> str:
        """The figures as a line."""
        listed = ", ".join(f"{Precision(*c, '').name} {speed:.0f}" for c, speed in self.speeds.items())
        return f"fastest of: {listed} images/s" + (f" ({self.disturbed})" if self.disturbed else "")


def choose_precision(
    build: Callable[[], nn.Module], batch: Tensor, device: torch.device, cache: Path, key: str
) -> Precision:
    """The fastest of CANDIDATES for a training step of `build()` on `batch` (B, 3, S, S); remembered in `cache`.

    The measured order can flip between two runs where two candidates are close, and with it the last digits of a
    fit, so an undisturbed measurement is kept, and a new one gives a choice up only if another wins by SWITCH.
    """
    path = _path(cache, key, device)
    known = _known(path)
    if known is not None and (known.get("settled") or time.time() - known.get("time", 0.0) < HOLDS):
        return Precision(known["bf16"], known["channels_last"], known["reason"])
    measured = measure(build, batch, device)
    best = measured.best((known["bf16"], known["channels_last"]) if known else None)
    chosen = Precision(*best, measured.reason())
    speeds = [[*candidate, speed] for candidate, speed in measured.speeds.items()]
    values = {"bf16": best[0], "channels_last": best[1], "reason": chosen.reason, "key": key}
    write_json(path, values | {"speeds": speeds, "settled": not measured.disturbed, "time": time.time()})
    return chosen


def doubt_precision(cache: Path, key: str, device: torch.device, seen: float) -> str:
    """Has the choice measured again before the next fit, where a fit's speed says that it no longer holds.

    seen: images per second that a fit's network made. A line that says so; "" where there is no doubt.
    """
    path = _path(cache, key, device)
    known = _known(path)
    if known is None or "speeds" not in known:
        return ""
    chosen = (known["bf16"], known["channels_last"])
    others = [speed for bf16, channels_last, speed in known["speeds"] if (bf16, channels_last) != chosen]
    if max(others, default=0.0) < seen * DOUBT:
        return ""
    write_json(path, known | {"settled": False, "time": 0.0})
    return f"it made {seen:.0f} images/s where another layout was measured at {max(others):.0f}: measured again"


def _path(cache: Path, key: str, device: torch.device) -> Path:
    return cache / "precision" / f"{sha256_bytes(f'{key}|{machine_name(device)}|{STEPS}'.encode())[:16]}.json"


def _known(path: Path) -> dict[str, Any] | None:
    return dict(read_json(path, rerun=f"rm {path}")) if exists(path) else None


def measure(build: Callable[[], nn.Module], batch: Tensor, device: torch.device) -> Measured:
    """Images per second of every candidate; of a part of the batch on a CPU, and where memory does not hold it."""
    batch = batch[:PART] if device.type == "cpu" else batch
    while True:
        try:
            return _measure([Trial(build(), batch, device, candidate) for candidate in candidates(device)])
        except (RuntimeError, MemoryError) as error:
            if not ran_out(error) or len(batch) < 4:
                raise
        batch = batch[: len(batch) // 2]


def candidates(device: torch.device) -> tuple[Candidate, ...]:
    """Those that the device can compute."""
    every = ON_MPS if device.type == "mps" else CANDIDATES
    return tuple(candidate for candidate in every if has_bf16(device) or not candidate[0])


def _measure(trials: list[Trial]) -> Measured:
    for trial in trials:
        trial.step()  # the first is slow: memory is taken, kernels are chosen
        trial.seconds.clear()
    others, started = Others(), time.perf_counter()
    for number in range(1, MOST + 1):
        for trial in trials:
            trial.seconds.append(trial.step())
        spent = time.perf_counter() - started
        enough = number >= FEWEST or (number >= 2 and spent > LONG)
        if (enough and all(trial.agrees for trial in trials)) or spent > 2 * LONG:
            break
    unsure = [Precision(*trial.candidate, "").name for trial in trials if not trial.agrees]
    disturbed = f"disturbed: the steps of {' and '.join(unsure)} disagree" if unsure else others.disturb()
    return Measured({trial.candidate: trial.images / min(trial.seconds) for trial in trials}, disturbed)


class Trial:
    """One candidate's network, ready to be timed."""

    def __init__(self, net: nn.Module, batch: Tensor, device: torch.device, candidate: Candidate) -> None:
        self.candidate, self.device, self.images = candidate, device, len(batch)
        self.precision = Precision(*candidate, "")
        self.net = net.to(device).to(memory_format=self.precision.memory_format).train()
        self.x = batch.to(device).contiguous(memory_format=self.precision.memory_format)
        self.seconds: list[float] = []

    def step(self) -> float:
        """Seconds of a forward and a backward pass."""
        start = time.perf_counter()
        with self.precision.autocast(self.device):
            loss = self.net(self.x).float().square().mean()
        loss.backward()
        self.net.zero_grad()
        settle(self.device)
        return time.perf_counter() - start

    @property
    def agrees(self) -> bool:
        """Whether the shortest step came about twice."""
        shortest = sorted(self.seconds)[:2]
        return len(shortest) == 2 and shortest[1] <= shortest[0] * AGREE


class Others:
    """What other processes take, from now on, of the cores that this one needs."""

    def __init__(self) -> None:
        self.wall, self.own, self.all = time.perf_counter(), time.process_time(), _busy()

    def disturb(self) -> str:
        """Why a measurement since then is not to be kept; "" where nobody was in the way."""
        wall = time.perf_counter() - self.wall
        taken = (_busy() - self.all - (time.process_time() - self.own)) / max(wall, 1e-9)
        free = (psutil.cpu_count() or 1) - torch.get_num_threads()
        if wall < 0.5 or taken <= free + 0.3:  # the counters tick a hundred times a second
            return ""
        return f"disturbed: other processes took {taken:.1f} cores"


def _busy() -> float:
    """Seconds that the cores of this machine have worked for anybody."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    return float(sum(times)) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
