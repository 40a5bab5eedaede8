"""Units in this process, one after the other: for a machine of one core, and for work too short for processes."""

from __future__ import annotations

import time
from typing import Any

from kit.cluster.peak import peak_mb, reset_peak
from kit.cluster.unit import Device, Done, Event, Unit
from kit.cluster.worker import failure


class InlineBackend:
    """A unit is done when `start` returns; its events wait for `events`."""

    forgives = 0

    def __init__(self, device: Device) -> None:
        self.devices = (device,)
        self._events: list[Event] = []

    def start(self, device: Device, key: int, unit: Unit, share: float) -> None:
        reset_peak()
        started = time.perf_counter()
        try:
            value = unit.job(_Heard(self._events, key), share)
        except Exception as error:
            self._events.append(Event(key, "failed", failure(error)))
        else:
            self._events.append(Event(key, "done", Done(value, time.perf_counter() - started, peak_mb())))

    def reply(self, key: int, go_on: bool) -> None:
        """Nothing waits for it."""

    def events(self, timeout: float) -> list[Event]:
        happened = list(self._events)
        self._events.clear()
        return happened

    def cancel(self) -> None:
        self._events.clear()

    def close(self) -> None:
        self.cancel()


class _Heard:
    """A Talk that is listened to when the unit is done."""

    def __init__(self, events: list[Event], key: int) -> None:
        self.events, self.key = events, key

    def line(self, text: str) -> None:
        self.events.append(Event(self.key, "line", text))

    def report(self, step: int, value: Any) -> bool:
        """Nobody can stop it meanwhile."""
        self.events.append(Event(self.key, "report", (step, value)))
        return True

    def keep(self, name: str, data: bytes) -> None:
        self.events.append(Event(self.key, "keep", (name, data)))
