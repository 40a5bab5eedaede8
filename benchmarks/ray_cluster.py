"""Units on a real Ray cluster of several nodes on this machine; a node is killed and one joins while they run.

    python benchmarks/ray_cluster.py                      500 units of 1 to 1.5 s on 4 nodes, about three minutes
    python benchmarks/ray_cluster.py --units 12 --nodes 2

The units sleep: they take a place as a fit does, and leave the cores of this machine to Ray and to the kit's driver,
whose work is what is measured. Every unit leaves a file where it begins and one where it ends, so that one that is
lost, or made twice, shows. Efficiency is the seconds of the units over the seconds of the places that were there; the
same units on the imagined clock of `scaling.py`, which knows no Ray, say what the scheduler alone would reach.

Needs the extra `cluster`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scaling import Imagined, Takes, devices

from kit.cluster.schedule import Scheduler
from kit.cluster.unit import Talk, Unit
from kit.workspace import PROJECT

KILL, JOIN = 0.3, 0.5
"""Shares of the units after which a node is killed, and another joins."""


@dataclass(frozen=True)
class Sleeps:
    """A fit of that many seconds that does nothing; leaves a file where it begins and where it ends."""

    folder: Path
    number: int
    seconds: float

    def __call__(self, talk: Talk, share: float) -> int:
        (self.folder / f"{self.number}.begun.{uuid.uuid4().hex}").touch()
        time.sleep(self.seconds)
        (self.folder / f"{self.number}.ended.{uuid.uuid4().hex}").touch()
        return self.number


@dataclass
class Places:
    """Seconds of places that were there: the integral of their number over time."""

    count: int
    since: float = field(default_factory=time.monotonic)
    total: float = 0.0

    def become(self, count: int) -> None:
        """So many from now on."""
        now = time.monotonic()
        self.total += self.count * (now - self.since)
        self.count, self.since = count, now


def lengths(count: int) -> list[float]:
    """Seconds of the units."""
    return np.random.default_rng(0).uniform(1.0, 1.5, count).tolist()


def predicted(seconds: list[float], nodes: int) -> float:
    """Efficiency of the scheduler alone, on an imagined clock."""
    backend = Imagined(devices(nodes))
    units = [Unit(f"unit {number}", Takes(took), "g", took) for number, took in enumerate(seconds)]
    Scheduler(backend, clock=backend.clock).run(units)
    return sum(seconds) / nodes / backend.now


def run(cluster: Any, folder: Path, seconds: list[float], nodes: int) -> dict[str, Any]:
    """All units, with a node killed and one joining; what is to be said of them."""
    from kit.cluster.ray_backend import RayBackend

    backend = RayBackend(cluster.address, folder)
    units = [Unit(f"unit {number}", Sleeps(folder, number, took), "g", took) for number, took in enumerate(seconds)]
    places, again, done = Places(nodes), list[str](), 0
    memory, busy = peak(), time.process_time()

    def next_one(outcome: Any) -> None:
        nonlocal done
        done += 1
        if done == round(KILL * len(units)):
            cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
            places.become(nodes - 1)
        if done == round(JOIN * len(units)):
            cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
            places.become(nodes)

    started = time.monotonic()
    outcomes = Scheduler(backend, on_line=lambda unit, line: again.append(line)).run(units, next_one)
    took = time.monotonic() - started
    places.become(0)
    backend.close()
    return {
        "units": len(units), "nodes": nodes, "seconds": took, "started again": len(again), **counted(folder, outcomes),
        "efficiency": sum(seconds) / places.total, "predicted": predicted(seconds, nodes),
        "overhead of a unit, s": (places.total - sum(seconds)) / len(units),
        "driver, ms of a core a unit": (time.process_time() - busy) / len(units) * 1e3,
        "driver, MB more than before": peak() - memory, "driver, peak MB": peak(),
    }  # fmt: skip


def counted(folder: Path, outcomes: list[Any]) -> dict[str, int]:
    """Units that failed, are lost, or ended more than once."""
    ended = Counter(path.name.split(".")[0] for path in folder.glob("*.ended.*"))
    begun = Counter(path.name.split(".")[0] for path in folder.glob("*.begun.*"))
    values = [outcome.value for outcome in outcomes]
    return {
        "failed": sum(bool(outcome.failure) for outcome in outcomes),
        "lost": len(outcomes) - len(ended) + sum(value != number for number, value in enumerate(values)),
        "twice": sum(count > 1 for count in ended.values()),
        "begun again": sum(begun.values()) - len(begun),
    }


def peak() -> float:
    """MB that this process held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Starts the cluster, runs, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=500)
    parser.add_argument("--nodes", type=int, default=4)
    given = parser.parse_args()
    here = Path(__file__).resolve().parent
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112, as Ray spells it
    os.environ["PYTHONPATH"] = os.pathsep.join([str(here), str(PROJECT), os.environ.get("PYTHONPATH", "")])
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 200 << 20})
    try:
        for _ in range(given.nodes):
            cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
        with tempfile.TemporaryDirectory(prefix="kit-ray-") as folder:
            print(json.dumps(run(cluster, Path(folder), lengths(given.units), given.nodes), indent=1))
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    # Under its own name, so that the nodes find the class of the units where they find the module.
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    import ray_cluster

    ray_cluster.main()
