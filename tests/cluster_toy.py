"""Jobs that workers can import: they sleep, fail or die as they are told; and a backend whose clock is imagined."""

from __future__ import annotations

import heapq
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit.cluster.unit import Device, Done, Event, Failure, Talk, Unit
from kit.errors import ConfigError


@dataclass(frozen=True)
class Sleep:
    """Sleeps, and gives `value`."""

    seconds: float
    value: Any = None

    def __call__(self, talk: Talk, share: float) -> Any:
        time.sleep(self.seconds)
        return self.value


@dataclass(frozen=True)
class Meets:
    """Waits in `folder` for `others` units that run at the same time; whether they came."""

    folder: Path
    name: str
    others: int
    patience: float = 120.0

    def __call__(self, talk: Talk, share: float) -> bool:
        (self.folder / f"{self.name}.here").touch()
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            if len(list(self.folder.glob("*.here"))) > self.others:
                return True
            time.sleep(0.05)
        return False


@dataclass(frozen=True)
class NeedsLess:
    """Works with half the batch alone."""

    def __call__(self, talk: Talk, share: float) -> float:
        if share == 1.0:
            raise MemoryError("out of memory")
        return share


@dataclass(frozen=True)
class Mistaken:
    """A mistake that stays one."""

    def __call__(self, talk: Talk, share: float) -> None:
        raise ConfigError("no such thing")


@dataclass(frozen=True)
class Dies:
    """Kills its own process until `marker` exists `times` times."""

    marker: Path
    times: int = 1

    def __call__(self, talk: Talk, share: float) -> str:
        died = len(self.marker.read_text()) if self.marker.exists() else 0
        if died < self.times:
            self.marker.write_text("a" * (died + 1))
            os.kill(os.getpid(), signal.SIGKILL)
        return f"after {died} deaths"


@dataclass(frozen=True)
class Reports:
    """Reports 0, 1, 2, ... and stops when it is told to."""

    steps: int

    def __call__(self, talk: Talk, share: float) -> int:
        for step in range(self.steps):
            talk.line(f"step {step}")
            if not talk.report(step, float(step)):
                return step
        return self.steps


@dataclass(frozen=True)
class Holds:
    """Holds `megabytes` for a moment."""

    megabytes: int

    def __call__(self, talk: Talk, share: float) -> str:
        held = bytearray(os.urandom(1)) * (self.megabytes << 20)
        return f"{len(held)} {os.environ['OMP_NUM_THREADS']}"


@dataclass
class Imagined:
    """A backend whose units take as many seconds of an imagined clock as their job says (float, or an error)."""

    devices: tuple[Device, ...]
    now: float = 0.0
    memory_mb: float = 0.0
    most: int = 0
    forgives: int = 1
    order: list[str] = field(default_factory=list)
    ends: list[tuple[float, int, Event]] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def start(self, device: Device, key: int, unit: Unit, share: float) -> None:
        self.order.append(unit.name)
        seconds = float(unit.job(None, share))  # type: ignore[arg-type]
        event = Event(key, "done", Done(unit.name, seconds, self.memory_mb))
        if seconds < 0:
            event = Event(key, "failed", Failure("it failed"))
        heapq.heappush(self.ends, (self.now + abs(seconds), key, event))
        self.most = max(self.most, len(self.ends))

    def reply(self, key: int, go_on: bool) -> None:
        raise AssertionError("nothing is reported")

    def events(self, timeout: float) -> list[Event]:
        if not self.ends:
            return []
        self.now, _, event = heapq.heappop(self.ends)
        return [event]

    def cancel(self) -> None:
        self.ends.clear()

    def close(self) -> None:
        self.cancel()


@dataclass(frozen=True)
class Takes:
    """Takes `seconds` of the imagined clock."""

    seconds: float

    def __call__(self, talk: Talk, share: float) -> float:
        return self.seconds


def device(places: int, memory_mb: float = 1000.0, kind: Any = "cpu", index: int = 0) -> Device:
    """A device of `places`."""
    return Device(f"{kind}{index}", kind, index, places, 1, memory_mb)
