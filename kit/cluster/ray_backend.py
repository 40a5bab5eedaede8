"""The devices of a Ray cluster: a unit is a task, pinned to the node that the scheduler chose.

Rows go once into the object store. Results go to the driver's disk: directly where a node sees it (shared storage),
else file by file, a checkpoint after every epoch, so that a node that is lost costs the epoch it was in.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kit
from kit.artefact import write_bytes
from kit.cluster.fits import FitsOne
from kit.cluster.ray_node import POLL, Mailbox, ObjectRows, Order, carry_out, version
from kit.cluster.unit import Device, Event, Unit
from kit.errors import ConfigError, TrainError
from kit.train.stored import CHECKPOINT

REFRESH = 5.0
"""Seconds between looks for nodes that joined or left."""
PATIENCE = 5.0
"""Seconds that a cluster's address has to take a connection; Ray itself would go on for minutes."""
CLIENT_PORT = 10001
"""Where ray://HOST is listened to if it names no port."""
LIMITLESS_MB = 1e9
"""Ray does not tell the memory of a GPU: there a place is a GPU, and packing is left to its number of places."""


class RayBackend:
    """A Ray cluster, found at "auto" or "ray://HOST:10001"."""

    forgives = 3

    def __init__(self, address: str, home: Path, threads: int = 1, shared: bool = True) -> None:
        """home: a folder of the driver's disk; threads: cores of a fit without a GPU; shared: look for `home`."""
        self.ray = connect(address)
        self.threads = threads
        self.token = _token(home) if shared else None
        here = self.ray.get_runtime_context().get_node_id()
        pinned = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=False)
        self.mailbox = self.ray.remote(num_cpus=0, scheduling_strategy=pinned)(Mailbox).remote()
        self.running: dict[Any, int] = {}
        self.nodes: dict[str, Device] = {}
        self.looked = -REFRESH
        self.rows: dict[Any, Any] = {}

    @property
    def devices(self) -> tuple[Device, ...]:
        """Living nodes; those that joined are used, those that left are not."""
        if time.monotonic() - self.looked > REFRESH:
            self.looked = time.monotonic()
            living = {node["NodeID"]: node for node in self.ray.nodes() if node["Alive"]}
            made = {name: self.nodes.get(name) or self._device(node) for name, node in living.items()}
            self.nodes = {name: device for name, device in made.items() if device.places}
        return tuple(self.nodes.values())

    def _device(self, node: dict[str, Any]) -> Device:
        resources = node["Resources"]
        cores, gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
        if gpus:
            return Device(node["NodeID"], "cuda", 0, gpus, max(1, cores // gpus), LIMITLESS_MB)
        memory = float(resources.get("memory", 0)) / 2**20
        return Device(node["NodeID"], "cpu", 0, cores // self.threads, self.threads, memory)

    def start(self, device: Device, key: int, unit: Unit, share: float) -> None:
        order = Order(key, self._with_rows(unit), share, version(), self.token, self._files(unit))
        strategy = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(device.name, soft=False)
        options = {"num_cpus": device.threads, "num_gpus": int(device.kind == "cuda"), "max_retries": 0}
        task = self.ray.remote(**options, scheduling_strategy=strategy)(carry_out)
        self.running[task.remote(order, self.mailbox)] = key

    def _with_rows(self, unit: Unit) -> Unit:
        """The unit with its rows in the object store, where they are put once."""
        if not hasattr(unit.job, "fit"):
            return unit
        job: FitsOne = unit.job  # type: ignore[assignment]
        rows = job.fit.data
        if rows not in self.rows:
            self.rows[rows] = self.ray.put(rows.load())
        return replace(unit, job=job.with_fit(replace(job.fit, data=ObjectRows((self.rows[rows],)))))

    def _files(self, unit: Unit) -> dict[str, bytes]:
        """The checkpoint that lies at home, for a node that shares no disk."""
        fit = unit.job.fit if self.token is None and hasattr(unit.job, "fit") else None
        path = fit.folder / CHECKPOINT if fit else None
        return {str(path.relative_to(fit.root)): path.read_bytes()} if fit and path and path.exists() else {}

    def reply(self, key: int, go_on: bool) -> None:
        self.mailbox.reply.remote(key, go_on)

    def events(self, timeout: float) -> list[Event]:
        deadline = time.monotonic() + timeout
        while True:
            waiting = list(self.running)
            ready = self.ray.wait(waiting, num_returns=len(waiting), timeout=POLL)[0] if waiting else []
            found: list[Event] = self.ray.get(self.mailbox.drain.remote())
            found += [self._ended(reference) for reference in ready]
            if found or time.monotonic() >= deadline:
                return found
            if not waiting:
                time.sleep(POLL)

    def _ended(self, reference: Any) -> Event:
        key = self.running.pop(reference)
        try:
            event: Event = self.ray.get(reference)
            return event
        except self.ray.exceptions.RayError as error:
            self.looked = -REFRESH  # a node may be gone
            return Event(key, "lost", f"its node or process is gone ({type(error).__name__})")

    def cancel(self) -> None:
        for reference in self.running:
            self.ray.cancel(reference, force=True)
        self.running.clear()

    def close(self) -> None:
        self.cancel()
        if self.token is not None:
            self.token.unlink(missing_ok=True)
        self.ray.shutdown()


def connect(address: str) -> Any:
    """The module `ray`, connected; ConfigError or TrainError says what is missing."""
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        rule = "--cluster needs Ray, which is not installed. Install it: pip install 'submission-kit[cluster]'"
        raise ConfigError(rule) from error
    paths = os.pathsep.join(filter(None, [str(Path(kit.__file__).parent.parent), os.environ.get("PYTHONPATH")]))
    environment = {"env_vars": {"PYTHONPATH": paths}}  # a checkout that is not installed is found on this machine too
    with _responding(address):
        knock(address)
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, runtime_env=environment)
    return ray


@contextmanager
def _responding(address: str) -> Iterator[None]:
    """Whatever says that nobody is there becomes a TrainError."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        raise TrainError(
            f"--cluster {address}: no cluster responds ({(str(error) or type(error).__name__).splitlines()[0]}). "
            f"Start one: ray start --head, and on the other machines: ray start --address HOST:6379"
        ) from error


def knock(address: str, seconds: float = PATIENCE) -> None:
    """OSError or ValueError where HOST:PORT or ray://HOST:PORT takes no connection; auto is Ray's to find."""
    scheme, _, place = address.rpartition("://")
    found = urlsplit(f"//{place}")
    port = found.port or (CLIENT_PORT if scheme else None)
    if found.hostname and port:
        socket.create_connection((found.hostname, port), seconds).close()


def _token(home: Path) -> Path:
    path = home.resolve() / f"cluster-{uuid.uuid4().hex}"
    write_bytes(path, b"")
    return path
