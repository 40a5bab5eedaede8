"""This machine's devices: a worker process for every place, started when it is first needed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection, get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path

from kit.cluster.unit import Device, Event, Unit
from kit.cluster.worker import serve

SPAWN = get_context("spawn")
"""A forked child inherits locks of torch's threads, and cannot use a GPU."""


class Worker:
    """One process on a device."""

    def __init__(self, device: Device, log: Path) -> None:
        self.device, self.log = device, log
        self.key: int | None = None
        self.pipe, theirs = SPAWN.Pipe()
        with environment(device):
            self.process: SpawnProcess = SPAWN.Process(target=serve, args=(theirs, os.getpid(), log), daemon=True)
            self.process.start()
        theirs.close()

    def start(self, key: int, unit: Unit, share: float) -> None:
        """Hands it a unit."""
        self.key = key
        with suppress(OSError):  # it died while it was idle: `events` says that the unit is lost
            self.pipe.send((key, unit, share))

    def events(self) -> list[Event]:
        """Its events; a process that is gone has lost its unit."""
        found: list[Event] = []
        try:
            while self.pipe.poll():
                found.append(self.pipe.recv())
        except (EOFError, OSError):
            self.process.join()
            if self.key is not None:
                found.append(Event(self.key, "lost", self._last_words()))
        if any(event.kind in ("done", "failed", "lost") for event in found):
            self.key = None
        return found

    def _last_words(self) -> str:
        code = self.process.exitcode or 0
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"its worker ended with {how} (see {self.log})"

    @property
    def alive(self) -> bool:
        return self.process.is_alive()

    def end(self) -> None:
        """Kills it; what it has written is whole or absent."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


class LocalBackend:
    """Worker processes on the devices of this machine."""

    forgives = 1

    def __init__(self, devices: Sequence[Device], logs: Path) -> None:
        self.devices = tuple(devices)
        self.logs = logs
        self.workers: list[Worker] = []
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, device: Device, key: int, unit: Unit, share: float) -> None:
        worker = next((one for one in self.workers if one.device is device and one.key is None and one.alive), None)
        if worker is None:
            # One that died with its unit stays until `events` has told of it: the scheduler would wait for ever
            self.workers = [one for one in self.workers if one.alive or one.key is not None]
            worker = Worker(device, self.logs / f"worker{len(self.workers)}.log")
            self.workers.append(worker)
        worker.start(key, unit, share)

    def reply(self, key: int, go_on: bool) -> None:
        for worker in self.workers:
            if worker.key == key:
                with suppress(OSError):  # it died meanwhile
                    worker.pipe.send(go_on)

    def events(self, timeout: float) -> list[Event]:
        pipes = [worker.pipe for worker in self.workers if worker.key is not None]
        ready = set(connection.wait(pipes, timeout))
        found = []
        for worker in [one for one in self.workers if one.pipe in ready]:
            new = worker.events()
            found += new
            if any(event.kind in ("failed", "lost") for event in new):  # a fresh process holds none of its memory
                worker.end()
                self.workers.remove(worker)
        return found

    def pids(self) -> list[int]:
        """Processes that are there."""
        return [worker.process.pid for worker in self.workers if worker.process.pid]

    def cancel(self) -> None:
        for worker in self.workers:
            worker.end()
        self.workers.clear()

    def close(self) -> None:
        self.cancel()


@contextmanager
def environment(device: Device) -> Iterator[None]:
    """What a process must find set when it imports torch: its GPU, and how many threads it may use."""
    changed = {"OMP_NUM_THREADS": str(device.threads), "MKL_NUM_THREADS": str(device.threads)}
    changed["CUDA_VISIBLE_DEVICES"] = _visible(device.index) if device.kind == "cuda" else ""
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


def _visible(index: int) -> str:
    """The GPU that this process calls number `index`, as its children must call it."""
    mine = os.environ.get("CUDA_VISIBLE_DEVICES")
    return mine.split(",")[index] if mine else str(index)
