"""Units of work onto devices: longest first, as many at once as memory allows, with an ETA from measured speeds.

A unit that fails is tried once more with half its batch and then set aside; one whose process or machine is gone is
first tried again as it was. Neither stops the others.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kit.cluster.unit import Backend, Device, Done, Event, Failure, Outcome, Unit

HEADROOM = 1.1
"""Factor on measured memory: two fits of one recipe peak alike, not equally."""


@dataclass
class Running:
    """A unit on its device."""

    unit: Unit
    device: Device
    memory_mb: float
    share: float
    started: float


@dataclass
class Load:
    """What runs on a device."""

    units: int = 0
    memory_mb: float = 0.0

    def add(self, running: Running, count: int) -> None:
        """One more, or with a `count` of -1 one less."""
        self.units += count
        self.memory_mb += count * running.memory_mb


NONE = Load()


@dataclass
class Waiting:
    """A unit in the queue, and how it fared so far."""

    unit: Unit
    share: float = 1.0
    lost: int = 0


@dataclass
class Measured:
    """What the finished units of a group took."""

    seconds: float = 0.0
    work: float = 0.0
    memory_mb: float = 0.0


@dataclass
class Scheduler:
    """Runs units on a backend's devices; may be given more of them at any time."""

    backend: Backend
    on_line: Callable[[Unit, str], object] = lambda unit, text: None
    on_report: Callable[[Unit, int, float], bool] = lambda unit, step, value: True
    on_keep: Callable[[Unit, str, bytes], None] = lambda unit, name, data: None
    on_wait: Callable[[], None] = lambda: None
    """Called about once a second."""
    clock: Callable[[], float] = time.monotonic
    queue: list[Waiting] = field(default_factory=list)
    running: dict[int, Running] = field(default_factory=dict)
    measured: dict[str, Measured] = field(default_factory=dict)
    _waiting: dict[int, Waiting] = field(default_factory=dict)
    _load: dict[str, Load] = field(default_factory=dict)
    _keys: int = 0
    _sorted: bool = True

    def submit(self, unit: Unit) -> None:
        """Puts a unit into the queue."""
        self.queue.append(Waiting(unit))
        self._sorted = False

    def run(self, units: Iterable[Unit], on_outcome: Callable[[Outcome], None] = lambda outcome: None) -> list[Outcome]:
        """All of `units` to their end, outcomes in the order of `units`; whatever runs is ended by an exception."""
        order = list(units)
        for unit in order:
            self.submit(unit)
        found: dict[int, Outcome] = {}
        try:
            while len(found) < len(order):
                for outcome in self.wait(1.0):
                    found[id(outcome.unit)] = outcome
                    on_outcome(outcome)
        except BaseException:
            self.drop()
            raise
        return [found[id(unit)] for unit in order]

    def wait(self, timeout: float) -> list[Outcome]:
        """Starts what can be started, then waits for news; the units that came to an end."""
        self._dispatch()
        self.on_wait()
        found = [outcome for event in self.backend.events(timeout) if (outcome := self._take(event)) is not None]
        if found:
            self._dispatch()
        return found

    def drop(self) -> None:
        """Ends what runs and forgets what waits; units may be given anew afterwards."""
        self.backend.cancel()
        self.queue.clear()
        self.running.clear()
        self._load.clear()

    @property
    def places(self) -> int:
        """Units that can run at once, memory aside."""
        return sum(device.places for device in self.backend.devices)

    @property
    def idle(self) -> bool:
        """Whether nothing runs or waits."""
        return not self.running and not self.queue

    # ------------------------------------------------------------------------------------------- dispatching
    def _dispatch(self) -> None:
        if not self.queue or len(self.running) >= self.places:
            return
        self._sort()
        left, refused = [], set[tuple[str, float | None]]()
        while self.queue and len(self.running) < self.places:
            waiting = self.queue.pop()
            kind = (waiting.unit.group, waiting.unit.memory_mb)
            device = None if kind in refused else self._device_for(waiting.unit)
            if device is None:
                refused.add(kind)
                left.append(waiting)
            else:
                self._start(waiting, device)
        self.queue.extend(reversed(left))

    def _sort(self) -> None:
        """The longest last, from where it is taken; again where units came, or a group's speed became known."""
        if not self._sorted:
            self.queue.sort(key=lambda waiting: self.seconds(waiting.unit))
            self._sorted = True

    def _start(self, waiting: Waiting, device: Device) -> None:
        self._keys += 1
        unit, share = waiting.unit, waiting.share
        running = Running(unit, device, self.memory(unit, device), share, self.clock())
        self._waiting[self._keys] = waiting
        self.running[self._keys] = running
        self._load.setdefault(device.name, Load()).add(running, 1)
        self.backend.start(device, self._keys, unit, share)

    def _device_for(self, unit: Unit) -> Device | None:
        """The device with the most free memory among those with room; a unit that fits nowhere gets an empty one."""
        best, most = None, -1.0
        for device in self.backend.devices:
            load = self._load.get(device.name, NONE)
            free = device.memory_mb - load.memory_mb
            # A thousandth to spare: thirds of a device's memory do not add up to it in floating point.
            fits = not load.units or self.memory(unit, device) <= free + device.memory_mb / 1000
            if load.units < device.places and fits and free > most:
                best, most = device, free
        return best

    def memory(self, unit: Unit, device: Device) -> float:
        """MB to keep free for a unit: measured on its like, else as it says, else the device's guess."""
        known = self.measured.get(unit.group)
        if known and known.memory_mb:
            return known.memory_mb * HEADROOM
        return unit.memory_mb if unit.memory_mb is not None else device.unknown_mb

    def seconds(self, unit: Unit) -> float:
        """How long a unit will take, from the speed of its group, else of all groups; its work before any is known."""
        known = self.measured.get(unit.group)
        if known is None or not known.work:
            seconds = sum(one.seconds for one in self.measured.values())
            work = sum(one.work for one in self.measured.values())
            return unit.work * (seconds / work if work else 1.0)
        return unit.work * known.seconds / known.work

    def eta(self) -> float | None:
        """Seconds until all is done, each next unit on the first free place; None before a speed is known."""
        if not self.measured:
            return None
        now = self.clock()
        busy = [max(0.0, self.seconds(one.unit) - (now - one.started)) for one in self.running.values()]
        free = busy + [0.0] * (self.places - len(busy))
        heapq.heapify(free)
        for seconds in sorted((self.seconds(waiting.unit) for waiting in self.queue), reverse=True):
            heapq.heapreplace(free, free[0] + seconds)
        return max(free)

    # ------------------------------------------------------------------------------------------------ events
    def _take(self, event: Event) -> Outcome | None:
        running = self.running.get(event.key)
        if running is None:  # sent before it was ended
            return None
        if event.kind == "line":
            self.on_line(running.unit, event.value)
        elif event.kind == "keep":
            self.on_keep(running.unit, *event.value)
        elif event.kind == "report":
            self.backend.reply(event.key, self.on_report(running.unit, *event.value))
        else:
            del self.running[event.key]
            self._load[running.device.name].add(running, -1)
            return self._ended(event, self._waiting.pop(event.key), running)
        return None

    def _ended(self, event: Event, waiting: Waiting, running: Running) -> Outcome | None:
        if event.kind == "done":
            return self._done(event.value, running)
        failure = event.value if isinstance(event.value, Failure) else Failure(str(event.value))
        if event.kind == "lost" and waiting.lost < self.backend.forgives:
            self._again(Waiting(waiting.unit, waiting.share, waiting.lost + 1), f"{failure.reason}: starts again")
        elif not failure.final and waiting.share == 1.0:
            self._again(Waiting(waiting.unit, 0.5, waiting.lost), f"{failure.reason}: tried with half the batch")
        else:
            seconds = self.clock() - running.started
            return Outcome(waiting.unit, None, failure.reason, seconds, waiting.share)
        return None

    def _again(self, waiting: Waiting, why: str) -> None:
        self.on_line(waiting.unit, f"{waiting.unit.name}: {why}")
        self.queue.append(waiting)
        self._sorted = False

    def _done(self, done: Done, running: Running) -> Outcome:
        self._sorted &= running.unit.group in self.measured
        known = self.measured.setdefault(running.unit.group, Measured())
        known.seconds += done.seconds
        known.work += running.unit.work
        known.memory_mb = max(known.memory_mb, done.memory_mb)
        return Outcome(running.unit, done.value, "", done.seconds, running.share)
