from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from kit.errors import ArtefactError
from kit.train import device as devices
from kit.train.device import Precision, choose_precision, pick_device, pinned, usable_cores

BATCH = torch.zeros(4, 3, 8, 8)
CPU = torch.device("cpu")


def small_net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


def test_a_gpu_is_picked_where_there_is_one() -> None:
    assert pick_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_no_more_threads_than_this_process_may_use() -> None:
    assert 1 <= usable_cores() <= len(os.sched_getaffinity(0))
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(mine)})
    try:
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, mine)


# -------------------------------------------------------------------------------------------------- pinned
def test_a_seed_pins_all_that_is_drawn() -> None:
    drawn = []
    for seed in (1, 1, 2):
        with pinned(seed):
            drawn.append(torch.rand(3))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_threads_and_random_state_are_put_back() -> None:
    def interrupted() -> None:
        with pinned(5):
            assert torch.get_num_threads() == usable_cores()
            torch.rand(3)
            raise KeyboardInterrupt

    before, threads = torch.get_rng_state(), torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), before)


# ----------------------------------------------------------------------------------------------- precision
def test_the_fastest_candidate_is_chosen_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = {(False, True): 90.0, (True, True): 200.0, (False, False): 100.0}
    monkeypatch.setattr(devices, "_images_per_second", lambda net, x, device, *candidate: speeds[candidate])
    chosen = choose_precision(small_net, BATCH, CPU, tmp_path, "key")
    assert (chosen.bf16, chosen.channels_last) == (True, True)
    assert chosen.name == "bf16, channels_last"
    for figure in ("fp32, channels_last 90", "bf16, channels_last 200", "fp32, contiguous 100"):
        assert figure in chosen.reason


def test_a_measurement_is_made_once(tmp_path: Path) -> None:
    built = []

    def build() -> nn.Module:
        built.append(1)
        return small_net()

    first = choose_precision(build, BATCH, CPU, tmp_path, "one")
    assert len(built) == len(devices.CANDIDATES)
    assert choose_precision(build, BATCH, CPU, tmp_path, "one") == first
    assert len(built) == len(devices.CANDIDATES)
    choose_precision(build, BATCH, CPU, tmp_path, "two")
    assert len(built) == 2 * len(devices.CANDIDATES)


def test_a_corrupt_measurement_is_named(tmp_path: Path) -> None:
    choose_precision(small_net, BATCH, CPU, tmp_path, "key")
    (path,) = (tmp_path / "precision").iterdir()
    path.write_text("{")
    with pytest.raises(ArtefactError, match=rf"{path.name}: .* Make it again: rm "):
        choose_precision(small_net, BATCH, CPU, tmp_path, "key")


@pytest.mark.parametrize(("bf16", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_autocast_follows_the_choice(bf16: bool, dtype: torch.dtype) -> None:
    with Precision(bf16, False, "").autocast(CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_layout_follows_the_choice() -> None:
    assert Precision(False, True, "").memory_format == torch.channels_last
    assert Precision(False, False, "").memory_format == torch.contiguous_format
