"""A training step never waits for its device: on a GPU that is not there, and on one that is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from fake_gpu import GPU, Waits, fake_gpu
from test_fit import CLASSES, PLAIN, material, recipe

from kit.config import RecipeConfig
from kit.nets.registry import build
from kit.train.batches import Material
from kit.train.fit import Fit

MIXED = {"mixup": 0.4, "cutmix": 1.0, "mix_share": 1.0, "cutout": 0.3}
RECIPES: dict[str, dict[str, Any]] = {
    "strong": {"augment": {"preset": "strong", "operators": [3, 6], "clean_share": 0.0, **MIXED}},
    "mild": {"augment": {"preset": "mild", "symmetries": ["identity", "hflip"], "rotate": 10, "crop": 0.8,
                         "colour": 0.2, **MIXED}},
    "classic": {"augment": {"preset": "classic"}, "train": {"optimizer": "sgd", "loss": "bce", "ema_decay": 0}},
    "flips": {"augment": {"preset": "flips"}, "train": {"optimizer": "lion", "loss": "focal"}},
    "none": {"augment": {"preset": "none"}, "train": {"optimizer": "rmsprop", "accumulate": 2}},
    "fine-tuning": {"finetune": {"frozen": 0.5, "gradual": True, "bn": "frozen", "head_l1": 0.01, "head_l2": 0.01},
                    "train": {"class_weights": "inverse", "start_size": 8}},
    "contrastive": {"contrastive": {"share": 0.5}},
    "policy": {"augment": {"preset": "mild", "policy": [{"name": "D4"}], "rotate": 0, "crop": 1, "colour": 0.1,
                           "symmetries": ["identity"]}},
}  # fmt: skip


def made(name: str) -> RecipeConfig:
    values = RECIPES[name]
    train = {"batch_size": 12, "ema_decay": 0.99, "clip_grad": 1.0, **values.get("train", {})}
    return recipe(train, **{key: value for key, value in values.items() if key != "train"})


def rows(config: RecipeConfig) -> Material:
    """Training rows with what the recipe has beside them."""
    made = material()
    if config.train.class_weights == "none":
        return made
    return replace(made, class_weights=torch.tensor([1.0, 2.0, 0.5]))


def test_what_waits_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_gpu(monkeypatch) as gpu:
        x = torch.ones(4, device=GPU)
        host = torch.tensor([True, False])
        assert host.any()  # the host's own values are there
        waiting = {
            "item": lambda: x.sum().item(),
            "bool": lambda: bool(x.sum() > 0),
            "nonzero": lambda: (x > 0).nonzero(),
            "a mask": lambda: x[x > 0],
            "a copy back": lambda: x.cpu(),
            "a constant": lambda: torch.tensor([1.0, 2.0], device=GPU),
            "a copy to it": lambda: torch.ones(4).to(GPU),
            "copy_": lambda: x.copy_(torch.ones(4)),
            "rows of the host": lambda: x[torch.tensor([0, 1])],
        }
        for call in waiting.values():
            with pytest.raises(Waits):
                call()
        assert gpu.send(torch.ones(4), GPU).device == GPU
        assert (x + 1).sum().device == GPU


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_waits_for_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = made(name)
    with fake_gpu(monkeypatch) as gpu:
        net = gpu.moved(build(config.net.name, CLASSES, config.net.args))
        with gpu.copying():
            fit = Fit(config, net, rows(config), PLAIN, GPU)
            if fit.objective.projector is not None:
                gpu.moved(fit.objective.projector)
            fit.train_step(torch.arange(12))  # the first makes what is made once
        fit.step = fit.total // 2
        gpu.kernels.clear()
        loss, score = fit.train_step(torch.arange(12, 24))
    assert loss.device == score.device == GPU
    assert sum(gpu.kernels.values()) > 30


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", RECIPES)
def test_a_step_waits_for_nothing_on_a_gpu(name: str) -> None:
    config = made(name)
    fit = Fit(config, build(config.net.name, CLASSES, config.net.args), rows(config), PLAIN, GPU)
    fit.train_step(torch.arange(12))
    torch.cuda.set_sync_debug_mode("error")
    try:
        fit.train_step(torch.arange(12, 24))
    finally:
        torch.cuda.set_sync_debug_mode("default")
