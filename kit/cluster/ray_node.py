"""What happens on a node of a Ray cluster: one unit, in the driver's store or in a folder of the node's own."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import kit
from kit.artefact import write_bytes
from kit.cluster.fits import FitsOne
from kit.cluster.peak import peak_mb, reset_peak
from kit.cluster.unit import Done, Event, Failure, Unit
from kit.cluster.worker import failure
from kit.data.prepared import Prepared
from kit.lock import temporary_folder
from kit.shifts.battery import OPENCV

POLL = 0.2
"""Seconds between looks for a reply."""


@dataclass(frozen=True)
class ObjectRows:
    """The contest's rows in Ray's object store."""

    holder: tuple[Any, ...]
    """One ObjectRef, in a tuple so that Ray hands over the reference and not the rows."""

    def load(self) -> Prepared:
        """The rows, their images not copied."""
        return _fetch(self.holder[0])


@lru_cache(maxsize=1)
def _fetch(reference: Any) -> Prepared:
    import ray

    found: Prepared = ray.get(reference)
    return found


class Mailbox:
    """An actor on the driver's node: what units report, and the replies."""

    def __init__(self) -> None:
        self.reported: list[Event] = []
        self.replies: dict[int, bool] = {}

    def put(self, event: Event) -> None:
        """From a unit."""
        self.reported.append(event)

    def drain(self) -> list[Event]:
        """To the driver."""
        reported, self.reported = self.reported, []
        return reported

    def reply(self, key: int, go_on: bool) -> None:
        """From the driver."""
        self.replies[key] = go_on

    def take(self, key: int) -> bool | None:
        """To a unit; None where there is no reply yet."""
        return self.replies.pop(key, None)


@dataclass
class RayTalk:
    """`Talk` through a Mailbox."""

    mailbox: Any
    key: int

    def _say(self, kind: Any, value: Any) -> None:
        import ray

        ray.get(self.mailbox.put.remote(Event(self.key, kind, value)))

    def line(self, text: str) -> None:
        self._say("line", text)

    def report(self, step: int, value: float) -> bool:
        import ray

        self._say("report", (step, value))
        while (reply := ray.get(self.mailbox.take.remote(self.key))) is None:
            time.sleep(POLL)
        return bool(reply)

    def keep(self, name: str, data: bytes) -> None:
        self._say("keep", (name, data))


def version() -> str:
    """What all nodes must have alike: what is trained and scored on one is used on another."""
    return f"kit {kit.__version__} and OpenCV {OPENCV}"


@dataclass(frozen=True)
class Order:
    """What a node is given to do."""

    key: int
    unit: Unit
    share: float
    version: str
    """The driver's `version`."""
    token: Path | None
    """A file of the driver's; a node that sees it shares the driver's disk."""
    files: dict[str, bytes]
    """What an earlier try left, for a node that does not."""


def carry_out(order: Order, mailbox: Any) -> Event:
    """One unit on a node, to the event that ends it."""
    if order.version != version():
        rule = f"every node must have {order.version}, but this one has {version()}. Install it there"
        return Event(order.key, "failed", Failure(f"ConfigError: {rule}", final=True))
    reset_peak()
    started = time.perf_counter()
    try:
        with temporary_folder() as scratch:
            unit = order.unit if _shares_disk(order) else _moved(order, scratch)
            value = unit.job(RayTalk(mailbox, order.key), order.share)
        return Event(order.key, "done", Done(value, time.perf_counter() - started, peak_mb()))
    except Exception as error:
        return Event(order.key, "failed", failure(error))


def _shares_disk(order: Order) -> bool:
    return not hasattr(order.unit.job, "fit") or (order.token is not None and order.token.exists())


def _moved(order: Order, scratch: Path) -> Unit:
    """The unit in a folder of this node, with what an earlier try left; its files are sent home."""
    job: FitsOne = order.unit.job  # type: ignore[assignment]
    for name, data in order.files.items():
        write_bytes(scratch / name, data)
    return replace(order.unit, job=job.with_fit(replace(job.fit, root=scratch, cache=scratch / "cache", keeps=True)))
