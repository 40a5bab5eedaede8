"""How 5,000 fits scale from 1 to 64 nodes: fits that sleep in an imagined time, the scheduler's own work in real time.

    python benchmarks/scaling.py

Every node has one place. A fit takes 30 to 90 s of an imagined clock; whatever the scheduler itself takes between two
events is measured and added to that clock, so that a driver that cannot keep up shows. Efficiency is the work over
nodes times the time it took. Then 64 threads really sleep, a second a fit, to show that the imagined clock is right.
"""

from __future__ import annotations

import heapq
import queue
import resource
import threading
import time
from dataclasses import dataclass, field

import numpy as np

from kit.cluster.schedule import Scheduler
from kit.cluster.unit import Device, Done, Event, Talk, Unit

UNITS, MEAN = 5000, 60.0
NODES = (1, 4, 16, 64, 256, 1024)


@dataclass(frozen=True)
class Takes:
    """A fit of that many seconds."""

    seconds: float

    def __call__(self, talk: Talk, share: float) -> float:
        return self.seconds


def devices(count: int) -> tuple[Device, ...]:
    """Nodes of one place."""
    return tuple(Device(f"node{index}", "cpu", index, 1, 1, 8000.0) for index in range(count))


@dataclass
class Imagined:
    """Fits end in imagined time; the driver's seconds pass on the same clock."""

    devices: tuple[Device, ...]
    forgives: int = 1
    now: float = 0.0
    looked: float = field(default_factory=time.perf_counter)
    ends: list[tuple[float, int, float]] = field(default_factory=list)

    def clock(self) -> float:
        """Imagined seconds."""
        self.now += (seen := time.perf_counter()) - self.looked
        self.looked = seen
        return self.now

    def start(self, device: Device, key: int, unit: Unit, share: float) -> None:
        heapq.heappush(self.ends, (self.clock() + unit.work, key, unit.work))

    def reply(self, key: int, go_on: bool) -> None:
        """Nothing is reported."""

    def events(self, timeout: float) -> list[Event]:
        end, key, seconds = heapq.heappop(self.ends)
        self.now = max(self.clock(), end)
        return [Event(key, "done", Done(None, seconds, 100.0))]

    def cancel(self) -> None:
        self.ends.clear()

    def close(self) -> None:
        self.cancel()


class Sleeping:
    """A thread a fit, which really sleeps."""

    forgives = 1

    def __init__(self, count: int) -> None:
        self.devices = devices(count)
        self.said: queue.Queue[Event] = queue.Queue()

    def start(self, device: Device, key: int, unit: Unit, share: float) -> None:
        done = Event(key, "done", Done(None, unit.work, 100.0))
        timer = threading.Timer(unit.work, self.said.put, [done])
        timer.daemon = True
        timer.start()

    def reply(self, key: int, go_on: bool) -> None:
        """Nothing is reported."""

    def events(self, timeout: float) -> list[Event]:
        try:
            return [self.said.get(timeout=timeout)]
        except queue.Empty:
            return []

    def cancel(self) -> None:
        """Threads end by themselves."""

    def close(self) -> None:
        """Holds nothing."""


def units(count: int, mean: float) -> list[Unit]:
    """Fits of half to one and a half times `mean` seconds."""
    seconds = np.random.default_rng(0).uniform(0.5, 1.5, count) * mean
    return [Unit(f"fit {number}", Takes(took), "g", took) for number, took in enumerate(seconds.tolist())]


def imagined(nodes: int) -> None:
    """One line of the table."""
    wanted = units(UNITS, MEAN)
    total = sum(unit.work for unit in wanted)
    backend = Imagined(devices(nodes))
    started = time.perf_counter()
    Scheduler(backend, clock=backend.clock).run(wanted)
    driver = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"| {nodes} | {backend.now / 3600:.2f} h | {total / nodes / backend.now:.3f} | {driver / UNITS * 1e3:.2f} ms "
        f"| {memory:.0f} MB |"
    )


def really(nodes: int, count: int) -> None:
    """The same with fits that sleep a second."""
    wanted = units(count, 1.0)
    started = time.perf_counter()
    Scheduler(Sleeping(nodes)).run(wanted)
    took = time.perf_counter() - started
    print(f"{count} fits of about a second that really sleep, {nodes} places: {took:.1f} s, "
          f"efficiency {sum(unit.work for unit in wanted) / nodes / took:.3f}")  # fmt: skip


if __name__ == "__main__":
    print("| nodes | takes | efficiency | driver, a fit | driver, peak memory |\n|---|---|---|---|---|")
    for nodes in NODES:
        imagined(nodes)
    really(64, 1280)
