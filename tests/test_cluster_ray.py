"""A real Ray head with two worker nodes on this machine; needs the extra `cluster`. About two minutes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cluster_toy import Meets, Mistaken, NeedsLess, Reports, Sleep
from conftest import Toy

import kit
from kit.artefact import read_json
from kit.cluster.schedule import Scheduler
from kit.cluster.training import train_on
from kit.cluster.unit import Unit
from kit.errors import TrainError
from kit.oof_store import load_run

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    import ray
    from ray.cluster_utils import Cluster

    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112, as Ray spells it; else all else on the machine comes first
    os.environ["PYTHONPATH"] = f"{Path(__file__).parent}:{Path(kit.__file__).parent.parent}"
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 200 << 20})
    for _ in range(2):
        made.add_node(num_cpus=1, object_store_memory=100 << 20)
    yield made
    ray.shutdown()
    made.shutdown()


def backend(cluster: Any, home: Path, **more: Any) -> Any:
    from kit.cluster.ray_backend import RayBackend

    home.mkdir(parents=True, exist_ok=True)
    return RayBackend(cluster.address, home, **more)


def test_units_spread_over_both_nodes_and_failures_come_back(cluster: Any, tmp_path: Path) -> None:
    made = backend(cluster, tmp_path)
    assert [device.places for device in made.devices] == [1, 1]
    jobs = [Sleep(0.1, "fine"), NeedsLess(), Mistaken(), Reports(5)]
    scheduler = Scheduler(made, on_report=lambda unit, step, value: value < 2)
    fine, less, mistaken, reports = scheduler.run([Unit(str(n), job) for n, job in enumerate(jobs)])
    met = scheduler.run([Unit(str(n), Meets(tmp_path, str(n), 1)) for n in range(2)])
    made.close()
    assert (fine.value, less.value, reports.value) == ("fine", 0.5, 2)
    assert mistaken.failure == "ConfigError: no such thing"
    assert [one.value for one in met] == [True, True], "one on each node, at the same time"


@pytest.mark.parametrize("shared", [True, False])
def test_fits_on_nodes_are_those_of_this_process(cluster: Any, toy: Toy, shared: bool) -> None:
    made = backend(cluster, toy.root / "home", shared=shared)
    train_on(made, toy.contest(), toy.prepared(), [toy.recipe("mini")], toy.workspace, lambda line: None)
    made.close()
    run = load_run(toy.workspace.run("toy", "mini"))
    assert len(run.ids) == 60
    assert (run.logits.mean(1).argmax(1) == run.labels).mean() > 0.9
    assert list(toy.workspace.run("toy", "mini").rglob("checkpoint.pt")) == []


def test_a_node_that_is_lost_in_mid_fit_costs_nothing_but_time(cluster: Any, toy: Toy) -> None:
    recipe = toy.recipe("mini")
    recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update={"epochs": 40})})
    said: list[str] = []
    made = backend(cluster, toy.root / "home", shared=False)
    folder = toy.workspace.run("toy", "mini")
    killed: list[int] = []
    events = made.events

    def watched(timeout: float) -> Any:
        if not killed and list(folder.rglob("checkpoint.pt")):
            victim = cluster.list_all_nodes()[-1]
            cluster.remove_node(victim, allow_graceful=False)
            killed.append(1)
        return events(timeout)

    made.events = watched
    train_on(made, toy.contest(), toy.prepared(), [recipe], toy.workspace, said.append)
    assert killed
    assert any("starts again" in line for line in said)
    assert len(made.devices) == 1
    made.close()
    run = load_run(folder)
    assert len(np.unique(run.ids)) == 60, "nothing lost, nothing twice"
    assert read_json(folder / "run.json")["folds_done"] == [0, 1]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "ray://127.0.0.1:door"])
def test_an_address_where_nobody_responds_is_said_at_once(address: str, tmp_path: Path) -> None:
    from kit.cluster.ray_backend import RayBackend

    started = time.monotonic()
    with pytest.raises(TrainError, match=f"--cluster {address}: no cluster responds"):
        RayBackend(address, tmp_path)
    assert time.monotonic() - started < 10
