from __future__ import annotations

import os

import pytest
import torch

from kit.train.device import pick_device, pinned, usable_cores


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
