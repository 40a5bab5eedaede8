"""Progressive resizing: sizes over a fit, what the network is given, and networks that cannot."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from test_fit import new_fit, recipe, run

from kit.errors import NetError
from kit.train.names import check_names
from kit.train.resizing import STEP, check_growth, resized_batch, size_at


def test_sizes_grow_from_the_first_to_the_last() -> None:
    config = recipe({"start_size": 30, "grow": 0.5}, size=64)
    sizes = [size_at(config, progress) for progress in np.linspace(0, 1, 101)]
    assert (sizes[0], sizes[-1]) == (32, 64)  # the last less a multiple of STEP, never under the first
    assert sizes == sorted(sizes)
    assert {(64 - size) % STEP for size in sizes} == {0}
    assert set(sizes[50:]) == {64}
    assert min(sizes) >= 30


def test_off_is_the_recipes_size_throughout() -> None:
    assert {size_at(recipe(), progress) for progress in (0.0, 0.5, 1.0)} == {16}


def test_the_network_sees_growing_images_and_ends_at_full_size(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = new_fit(recipe({"start_size": 8, "grow": 0.5, "recalibrate_bn": True}))
    seen: list[int] = []
    fit.net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[-1]))
    state = run(fit)
    half = fit.total // 2
    assert seen[0] == 8
    assert set(seen[half:]) == {16}
    assert set(seen) == {8, 16}
    assert all(torch.isfinite(value).all() for value in state.values())
    assert fit.batches.view(torch.arange(4)).shape[-1] == 16


def test_resizing_keeps_constant_images_and_range() -> None:
    x = torch.full((2, 3, 16, 16), 0.25)
    torch.testing.assert_close(resized_batch(x, 8), torch.full((2, 3, 8, 8), 0.25))
    assert resized_batch(x, 16) is x


def test_a_network_made_for_one_size_is_refused(toy) -> None:
    flat = {"name": "kit/cnn", "args": {"width": 8}}
    config = recipe({"start_size": 8}, net=flat)
    with pytest.raises(NetError, match="start_size = 8"):
        check_growth(config)
    with pytest.raises(NetError, match="start_size = 8"):
        check_names(toy.contest(), config)
    check_growth(recipe({"start_size": 8}))


def test_it_cannot_begin_above_its_end() -> None:
    with pytest.raises(ValidationError, match="start_size"):
        recipe({"start_size": 32})
