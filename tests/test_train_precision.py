from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain, cycle, repeat
from pathlib import Path

import pytest
import torch
from torch import nn

from kit.artefact import read_json
from kit.errors import ArtefactError
from kit.train import precision as module
from kit.train.precision import CANDIDATES, HOLDS, MOST, Others, Precision, Trial, choose_precision, doubt_precision

BATCH = torch.zeros(4, 3, 8, 8)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def all_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as users have."""
    monkeypatch.setattr(module, "MOST", MOST)


def small_net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[bool, bool], Iterator[float]]:
    """What the steps of each candidate take, the first of them a warm-up; nobody else is on the machine."""
    given: dict[tuple[bool, bool], Iterator[float]] = {candidate: repeat(0.01) for candidate in CANDIDATES}
    monkeypatch.setattr(Trial, "step", lambda self: next(given[self.candidate]))
    monkeypatch.setattr(Others, "disturb", lambda self: "")
    return given


def choose(cache: Path, key: str = "key") -> Precision:
    return choose_precision(small_net, BATCH, CPU, cache, key)


def kept(cache: Path) -> dict[str, object]:
    (path,) = (cache / "precision").iterdir()
    return dict(read_json(path))


Seconds = dict[tuple[bool, bool], Iterator[float]]


def test_the_fastest_candidate_is_chosen_with_its_reason(tmp_path: Path, seconds: Seconds) -> None:
    seconds |= {(False, True): repeat(4 / 90), (True, True): repeat(4 / 200), (False, False): repeat(4 / 100)}
    chosen = choose(tmp_path)
    assert (chosen.bf16, chosen.channels_last) == (True, True)
    assert chosen.name == "bf16, channels_last"
    for figure in ("fp32, channels_last 90", "bf16, channels_last 200", "fp32, contiguous 100"):
        assert figure in chosen.reason


def test_a_disturbed_moment_does_not_decide(tmp_path: Path, seconds: Seconds) -> None:
    """Two steps each, candidate after candidate, would have found 41 and 89 where 660 and 89 are the truth."""
    seconds[(False, True)] = chain([1.0, 0.1, 0.09, 0.4, 0.2], repeat(4 / 660))
    seconds[(True, True)] = repeat(4 / 89)
    seconds[(False, False)] = repeat(4 / 462)
    chosen = choose(tmp_path)
    assert (chosen.bf16, chosen.channels_last) == (False, True)
    assert kept(tmp_path)["settled"] is True


def test_candidates_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[tuple[bool, bool]] = []
    monkeypatch.setattr(Trial, "step", lambda self: turns.append(self.candidate) or 0.01)
    choose(tmp_path)
    assert turns == list(CANDIDATES) * (len(turns) // len(CANDIDATES))


def test_steps_that_go_on_disagreeing_are_not_kept_for_good(
    tmp_path: Path, seconds: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    wild = [0.01 * 1.5**number for number in range(MOST + 1)]
    seconds |= {(False, True): cycle(wild), (True, True): repeat(0.04), (False, False): repeat(0.04)}
    choose(tmp_path)
    assert kept(tmp_path)["settled"] is False
    assert "the steps of fp32, channels_last disagree" in str(kept(tmp_path)["reason"])
    seconds |= {(False, True): repeat(0.01), (True, True): repeat(0.001)}
    assert not choose(tmp_path).bf16, "the folds of this run are trained alike"
    later = time.time() + HOLDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert choose(tmp_path).bf16
    assert kept(tmp_path)["settled"] is True


def test_a_doubted_choice_stays_unless_another_clearly_wins(tmp_path: Path, seconds: Seconds) -> None:
    seconds[(False, False)] = repeat(0.009)
    assert not choose(tmp_path).channels_last
    assert doubt_precision(tmp_path, "key", CPU, 4 / 0.009) == ""
    assert "measured again" in doubt_precision(tmp_path, "key", CPU, 100.0)
    seconds |= {(False, True): repeat(0.0088)}
    assert not choose(tmp_path).channels_last
    doubt_precision(tmp_path, "key", CPU, 100.0)
    seconds |= {(False, True): repeat(0.005)}
    assert choose(tmp_path).channels_last


def test_doubt_needs_a_measurement(tmp_path: Path) -> None:
    assert doubt_precision(tmp_path, "never measured", CPU, 1.0) == ""


def test_other_users_of_the_cores_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"wall": 0.0, "own": 0.0, "all": 0.0}
    monkeypatch.setattr(time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(time, "process_time", lambda: now["own"])
    monkeypatch.setattr(module, "_busy", lambda: now["all"])
    monkeypatch.setattr(module.psutil, "cpu_count", lambda: 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    watch = Others()
    now |= {"wall": 10.0, "own": 10.0, "all": 20.0}  # one other process on the other core
    assert watch.disturb() == ""
    now |= {"wall": 10.0, "own": 5.0, "all": 20.0}  # and another on ours
    assert watch.disturb() == "disturbed: other processes took 1.5 cores"


def test_a_disturbed_measurement_says_so(tmp_path: Path, seconds: Seconds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Others, "disturb", lambda self: "disturbed: other processes took 1.5 cores")
    assert "other processes took" in choose(tmp_path).reason
    assert kept(tmp_path)["settled"] is False


def test_a_measurement_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []

    def build() -> nn.Module:
        built.append(1)
        return small_net()

    first = choose_precision(build, BATCH, CPU, tmp_path, "one")
    assert len(built) == len(CANDIDATES)
    assert choose_precision(build, BATCH, CPU, tmp_path, "one") == first
    assert len(built) == len(CANDIDATES)
    choose_precision(build, BATCH, CPU, tmp_path, "two")
    assert len(built) == 2 * len(CANDIDATES)


def test_a_corrupt_measurement_is_named(tmp_path: Path) -> None:
    choose(tmp_path)
    (path,) = (tmp_path / "precision").iterdir()
    path.write_text("{")
    with pytest.raises(ArtefactError, match=rf"{path.name}: .* Make it again: rm "):
        choose(tmp_path)


@pytest.mark.parametrize(("bf16", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_autocast_follows_the_choice(bf16: bool, dtype: torch.dtype) -> None:
    with Precision(bf16, False, "").autocast(CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_layout_follows_the_choice() -> None:
    assert Precision(False, True, "").memory_format == torch.channels_last
    assert Precision(False, False, "").memory_format == torch.contiguous_format
