from __future__ import annotations

from pathlib import Path

import pytest
from cluster_toy import Mistaken, Sleep, device
from conftest import Toy

from kit.artefact import read_json
from kit.cluster.fits import FitJob
from kit.cluster.shared import share
from kit.cluster.threads import Probe, choose, counts, total_speed, worker_count
from kit.errors import TrainError


def test_powers_of_two_up_to_the_cores_are_tried() -> None:
    assert [counts(cores) for cores in (1, 2, 3, 8)] == [[1], [1, 2], [1, 2], [1, 2, 4, 8]]


def test_more_workers_must_be_faster_by_more_than_noise() -> None:
    assert choose({1: 100.0, 2: 104.0}) == 1
    assert choose({1: 100.0, 2: 106.0}) == 2
    assert choose({1: 100.0, 2: 180.0, 4: 120.0}) == 2


def test_the_speeds_of_all_places_add_up(tmp_path: Path) -> None:
    assert total_speed(Sleep(0.1, 50.0), device(2), tmp_path) == 100.0


def test_a_probe_that_fails_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="--workers 1"):
        total_speed(Mistaken(), device(1), tmp_path)


@pytest.mark.slow
def test_a_recipe_is_measured_once_with_every_number_of_workers(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts three processes: about ten seconds on an idle core."""
    monkeypatch.setattr("kit.cluster.threads.usable_cores", lambda: 2)
    said: list[str] = []
    arguments = (toy.contest(), toy.prepared(), toy.recipe("tiny"), toy.workspace, said.append)
    chosen = worker_count("auto", *arguments)
    (path,) = (toy.workspace.cache / "workers").glob("*.json")
    speeds = dict(read_json(path)["speeds"])
    assert set(speeds) == {1, 2}
    assert all(speed > 0 for speed in speeds.values())
    assert chosen == choose(speeds)
    before = path.stat().st_mtime_ns
    assert worker_count("auto", *arguments) == chosen
    assert path.stat().st_mtime_ns == before
    assert said[0] == said[1]
    assert worker_count("3", *arguments) == 3
    assert worker_count(None, *arguments) is None


def test_a_probe_gives_the_speed_of_a_training_step(toy: Toy) -> None:
    data = share(toy.prepared(), toy.workspace.cache)
    job = FitJob(toy.contest(), toy.recipe("tiny"), 0, data, toy.root, toy.workspace.cache)
    assert Probe(job)(None, 1.0) > 1  # type: ignore[arg-type]
