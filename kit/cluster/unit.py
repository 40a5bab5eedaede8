"""A unit of work, (recipe, fold) or (trial, fold), and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol


class Talk(Protocol):
    """How a unit speaks to whoever runs it, from another process or another machine."""

    def line(self, text: str) -> None:
        """One line for a person."""

    def report(self, step: int, value: float) -> bool:
        """A score of the unfinished unit at `step`; whether it should go on."""
        ...

    def keep(self, name: str, data: bytes) -> None:
        """A file of the unit that must outlive the machine that it runs on."""


Job = Callable[[Talk, float], Any]
"""Does the work: given how to speak, and the share of its batch that it may use; picklable, as its result is."""


@dataclass(frozen=True)
class Unit:
    """One piece of work that runs on one device, and may fail without harm to the others."""

    name: str
    job: Job
    group: str = ""
    """Units of a group take alike long for the same work, and alike much memory."""
    work: float = 1.0
    """How much there is to do, in any measure that is the same for a group: images to be trained, say."""
    memory_mb: float | None = None
    """What it needs; None where nobody has measured it yet."""


@dataclass(frozen=True)
class Device:
    """What units run on: a GPU, the cores of a machine, or a node of a cluster."""

    name: str
    kind: Literal["cpu", "cuda", "mps"]
    index: int
    places: int
    """Most units at once."""
    threads: int
    """Cores that each of them may use."""
    memory_mb: float

    @property
    def unknown_mb(self) -> float:
        """What a unit is taken to need before its like was measured: a place's share, and a whole GPU."""
        return self.memory_mb / self.places if self.kind == "cpu" else self.memory_mb


@dataclass(frozen=True)
class Event:
    """What a running unit says: `key` is that of its start."""

    key: int
    kind: Literal["line", "report", "keep", "done", "failed", "lost"]
    """lost: the process or the machine is gone, and nobody knows why."""
    value: Any = None


@dataclass(frozen=True)
class Failure:
    """Why a unit failed."""

    reason: str
    """The error's class with its message, on one line."""
    final: bool = False
    """It would fail again with any batch: a mistake in a file, a loss that diverges."""


@dataclass(frozen=True)
class Done:
    """What a unit gave."""

    value: Any
    seconds: float
    memory_mb: float


@dataclass(frozen=True)
class Outcome:
    """What became of a unit."""

    unit: Unit
    value: Any = None
    failure: str = ""
    """Empty where it is done."""
    seconds: float = 0.0
    batch_share: float = 1.0
    """Below 1 where it ran out of something with its whole batch."""


class Backend(Protocol):
    """Starts units and passes on what they say."""

    forgives: int
    """How often a unit whose process or machine is gone is tried again as it was."""

    @property
    def devices(self) -> tuple[Device, ...]:
        """What there is now."""
        ...

    def start(self, device: Device, key: int, unit: Unit, share: float) -> None:
        """Sets `unit` going on a device that has a place for it; what it says comes with `key`."""

    def reply(self, key: int, go_on: bool) -> None:
        """Whether the unit goes on after its report."""

    def events(self, timeout: float) -> list[Event]:
        """Events since the last call; waits up to `timeout` seconds for the first."""
        ...

    def cancel(self) -> None:
        """Ends whatever still runs; units may be started afterwards."""

    def close(self) -> None:
        """Cancels, and gives everything back."""
