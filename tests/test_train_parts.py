"""Batches in parts: the same gradients, and what happens when memory runs out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_fit import display, new_fit, recipe, run

from kit.config import RecipeConfig
from kit.errors import TrainError
from kit.train.fit import Fit
from kit.train.memory import ran_out
from kit.train.objective import Objective

GROUPED = {"name": "kit/residual", "args": {"width": 8, "depth": [1], "norm": "group"}}


def plain(**train: Any) -> RecipeConfig:
    """Without anything that looks across a batch or draws at random."""
    return recipe({"epochs": 1, **train}, net=GROUPED, augment={"preset": "none"})


def gradients(fit: Fit, count: int) -> list[torch.Tensor]:
    fit.optimizer.zero_grad()
    fit.parts.count = count
    fit.parts.backward(torch.arange(8), 0.0)
    return [parameter.grad.clone() for parameter in fit.net.parameters()]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_parts_give_the_gradients_of_the_whole(count: int) -> None:
    fit = new_fit(plain())
    for whole, parts in zip(gradients(fit, 1), gradients(fit, count)):
        torch.testing.assert_close(parts, whole, atol=1e-6, rtol=1e-4)


def test_more_parts_than_pairs_of_rows_are_not_made() -> None:
    fit = new_fit(plain())
    assert fit.parts.backward(torch.arange(5), 0.0)[0] > 0
    fit.parts.count = 64
    assert fit.parts.backward(torch.arange(5), 0.0)[0] > 0


def memory_of(most: int, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A machine on which batches of more than `most` images do not fit."""
    real = Objective.__call__

    def call(self: Objective, rows: torch.Tensor, progress: float) -> tuple[torch.Tensor, float]:
        loss = real(self, rows, progress)
        if len(rows) > most:
            raise error
        return loss

    monkeypatch.setattr(Objective, "__call__", call)


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_out_of_memory_halves_the_batch_says_so_and_goes_on(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = run(new_fit(recipe({"epochs": 2, "accumulate": 4}, net=GROUPED)))
    memory_of(2, monkeypatch, error)
    fit, said = new_fit(recipe({"epochs": 2}, net=GROUPED)), []
    shown = display(fit)
    shown.echo = said.append
    found = fit.run(lambda state: None, shown).state_dict()
    assert fit.parts.count == 4
    assert [("2 parts" in line, "4 parts" in line) for line in said] == [(True, False), (False, True)]
    assert "batch of 8" in said[0]
    for name, value in wanted.items():  # as if the recipe had asked for those parts from the start
        torch.testing.assert_close(found[name], value, atol=0, rtol=0)
    assert fit.state()["parts"] == 4


def test_the_count_outlives_the_process() -> None:
    fit = new_fit(plain(accumulate=4))
    other = new_fit(plain())
    other.resume(fit.state())
    assert other.parts.count == 4


def test_memory_that_holds_no_pair_of_images_ends_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    memory_of(0, monkeypatch, ERRORS[0])
    with pytest.raises(TrainError, match="Lower size"):
        run(new_fit(plain()))


def test_other_errors_are_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    memory_of(0, monkeypatch, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        run(new_fit(plain()))
    assert not ran_out(ValueError("memory"))
