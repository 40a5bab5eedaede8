from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from kit.config import RecipeConfig
from kit.errors import TrainError
from kit.nets.registry import build
from kit.train.batches import Material
from kit.train.finetune import head_names
from kit.train.fit import Fit
from kit.train.parallel import ALONE, Ranks
from kit.train.precision import Precision
from kit.train.progress import FitDisplay

ROWS, CLASSES = 36, 3
PLAIN = Precision(bf16=False, channels_last=True, reason="")


def recipe(train: dict[str, Any] | None = None, **sections: Any) -> RecipeConfig:
    defaults = {"epochs": 4, "batch_size": 8, "lr": 0.01}
    net = {"name": "kit/residual", "args": {"width": 8, "depth": [1, 1]}}
    plain = {"name": "tiny", "net": net, "size": 16, "augment": {"preset": "strong"}, "views": ["identity"]}
    return RecipeConfig.model_validate(plain | {"train": defaults | (train or {})} | sections)


def material() -> Material:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(ROWS) % CLASSES
    images = torch.randint(60, 160, (ROWS, 3, 16, 16), generator=generator)
    images[torch.arange(ROWS), labels] += 60
    targets = nn.functional.one_hot(labels, CLASSES).float()
    half = (0.5, 0.5, 0.5)
    return Material(images.to(torch.uint8), targets, torch.arange(ROWS), None, half, half)


def new_fit(
    config: RecipeConfig,
    given: Material | None = None,
    precision: Precision = PLAIN,
    ranks: Ranks = ALONE,
    begun: bool = False,
) -> Fit:
    torch.manual_seed(config.train.seed)
    net = build(config.net.name, CLASSES, config.net.args)
    return Fit(config, net, given or material(), precision, torch.device("cpu"), ranks, begun=begun)


def display(fit: Fit) -> FitDisplay:
    return FitDisplay("tiny fold 0", fit.total, fit.step, None, lambda line: None)


def run(fit: Fit) -> dict[str, torch.Tensor]:
    return fit.run(lambda state: None, display(fit)).state_dict()


def run_killed_after_every_epoch(config: RecipeConfig) -> dict[str, torch.Tensor]:
    """Each epoch by a new fit, which knows of the former ones what a file can hold."""
    stored: bytes | None = None

    def keep(state: dict[str, Any]) -> None:
        nonlocal stored
        buffer = io.BytesIO()
        torch.save(state, buffer)
        stored = buffer.getvalue()
        raise KeyboardInterrupt

    for _ in range(20):
        fit = new_fit(config, begun=stored is not None)
        torch.rand(7)  # another process has drawn other numbers before
        if stored is not None:
            fit.resume(torch.load(io.BytesIO(stored), weights_only=True))
        if fit.step == fit.total:
            return run(fit)
        with pytest.raises(KeyboardInterrupt):
            fit.run(keep, display(fit))
    raise AssertionError("no end")


VARIANTS: dict[str, dict[str, Any]] = {
    "strong": {},
    "ema": {"train": {"ema_decay": 0.9}},
    "mixed": {"augment": {"preset": "flips", "mixup": 0.4, "cutmix": 1.0}},
    "fraction of an epoch": {"train": {"epochs": 2.5}},
    "sgd, cosine": {"train": {"optimizer": "sgd", "schedule": "cosine", "class_weights": "none"}},
    "lion, step": {"train": {"optimizer": "lion", "schedule": "step", "lr": 0.001}},
    "rmsprop, constant": {"train": {"optimizer": "rmsprop", "schedule": "constant", "lr": 0.001}},
    "balanced": {"train": {"sampling": "weighted", "class_weights": "inverse"}},
    "tail": {"train": {"swa": 0.5, "recalibrate_bn": True}},
    "contrastive": {"contrastive": {"share": 0.5, "dim": 8}},
    "embeddings": {"train": {"sampling": "smote_embeddings"}, "finetune": {"frozen": 1.0}},
    "started head": {"finetune": {"head": "probe", "bn": "matched"}},
    "gradual": {"finetune": {"frozen": 0.3, "gradual": True, "layer_decay": 0.8, "bn": "frozen"}},
}
every_variant = pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)


# ---------------------------------------------------------------------------------------- the same every time
@every_variant
def test_a_fit_killed_after_every_epoch_ends_with_the_same_bits(changes: dict[str, Any]) -> None:
    config = recipe(**changes)
    whole, pieces = run(new_fit(config)), run_killed_after_every_epoch(config)
    assert whole.keys() == pieces.keys()
    for name in whole:
        assert torch.equal(whole[name], pieces[name]), name


def test_the_same_recipe_gives_the_same_bits_and_another_seed_others() -> None:
    one, two = run(new_fit(recipe())), run(new_fit(recipe()))
    other = run(new_fit(recipe({"seed": 1})))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_a_resumed_fit_does_not_start_its_head_again(monkeypatch: pytest.MonkeyPatch) -> None:
    config, done = recipe(finetune={"head": "probe", "bn": "matched"}), list[str]()
    monkeypatch.setattr("kit.train.fit.start_head", lambda *given: done.append("head"))
    monkeypatch.setattr("kit.train.fit.match_norms", lambda *given: done.append("norms"))
    state = new_fit(config).state()
    assert done == ["norms", "head"]
    new_fit(config, begun=True).resume(state)
    assert done == ["norms", "head"]


def test_loss_and_speed_survive_a_kill() -> None:
    whole = new_fit(recipe())
    run(whole)
    resumed = new_fit(recipe())
    resumed.resume(whole.state())
    assert (resumed.loss, resumed.score) == (whole.loss, whole.score)
    assert resumed.images_per_second == whole.images_per_second > 0


# ------------------------------------------------------------------------------------------------ what it does
def test_it_learns() -> None:
    fit = new_fit(recipe({"epochs": 15, "label_smoothing": 0.0}, augment={"preset": "flips"}))
    net = fit.run(lambda state: None, display(fit))
    assert fit.score > 0.95
    given = material()
    x = (given.images.float() / 255 - 0.5) / 0.5
    assert (net(x).argmax(1) == given.targets.argmax(1)).float().mean() > 0.95


@pytest.mark.parametrize(("epochs", "steps"), [(4, 16), (2.5, 10), (0.1, 1), (1, 4)])
def test_epochs_are_steps(epochs: float, steps: int) -> None:
    fit = new_fit(recipe({"epochs": epochs}))
    run(fit)
    assert fit.total == fit.step == steps


def test_the_state_is_kept_after_every_epoch() -> None:
    fit, steps = new_fit(recipe({"epochs": 2.5})), []
    fit.run(lambda state: steps.append(state["plain"]["step"]), display(fit))
    assert steps == [4, 8, 10]


def test_the_network_to_be_scored_is_the_average_where_there_is_one() -> None:
    fit = new_fit(recipe({"ema_decay": 0.9}))
    scored = run(fit)
    assert fit.ema is not None
    own, average = fit.net.state_dict(), fit.ema.module.state_dict()
    assert all(torch.equal(scored[name], average[name]) for name in scored)
    assert any(not torch.equal(scored[name], own[name]) for name in scored)


def test_a_fit_leaves_its_images_as_they_are() -> None:
    given = material()
    before = given.images.clone()
    run(new_fit(recipe({"epochs": 2}), given))
    assert torch.equal(given.images, before)


def test_only_the_rows_of_the_fold_are_seen() -> None:
    given = material()
    held_out = torch.arange(ROWS) % 2 == 0
    rows = (~held_out).nonzero().flatten()
    one = Material(given.images, given.targets, rows, None, given.mean, given.std)
    spoilt = given.images.clone()
    spoilt[held_out] = 0
    two = Material(spoilt, given.targets.flip(1) * held_out[:, None] + given.targets * ~held_out[:, None], rows, None,
                   given.mean, given.std)  # fmt: skip
    first, second = run(new_fit(recipe(), one)), run(new_fit(recipe(), two))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_bf16_trains_too() -> None:
    fit = new_fit(recipe({"epochs": 2}), precision=Precision(bf16=True, channels_last=True, reason=""))
    weights = run(fit)
    assert all(tensor.dtype != torch.bfloat16 for tensor in weights.values())
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())


# -------------------------------------------------------------------------------------------------- finetuning
def test_with_a_frozen_body_the_head_alone_learns() -> None:
    config = recipe(finetune={"frozen": 1.0})
    fit = new_fit(config)
    before = {name: tensor.clone() for name, tensor in fit.net.state_dict().items()}
    after, head = run(fit), set(head_names(fit.net))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == head


def test_a_head_penalty_shrinks_the_head() -> None:
    def size(**finetune: float) -> float:
        fit = new_fit(recipe({"weight_decay": 0.0}, finetune=finetune))
        weights = run(fit)
        return sum(float(weights[name].norm()) for name in head_names(fit.net) if weights[name].ndim > 1)

    free = size()
    assert size(head_l2=1.0) < free
    assert size(head_l1=0.1) < free


# ----------------------------------------------------------------------------------------------------- failing
def test_a_loss_that_is_not_finite_ends_the_fit_with_advice() -> None:
    fit = new_fit(recipe({"lr": 1e30, "clip_grad": 0.0, "optimizer": "sgd"}))
    kept = []
    with pytest.raises(TrainError, match=r"tiny: loss is (nan|inf) at step \d+ of 16. Lower train.lr \(now 1e\+30\)"):
        fit.run(kept.append, display(fit))
    assert all(torch.isfinite(tensor).all() for state in kept for tensor in state["net"].values())


def test_batch_norm_is_recalibrated_where_one_row_would_be_left_over() -> None:
    given = material()
    images = nn.functional.interpolate(given.images[:33].float(), size=32).to(torch.uint8)
    given = replace(given, images=images, targets=given.targets[:33], rows=torch.arange(33))
    sections = {"net": {"name": "timm/mobilenetv2_035"}, "size": 32, "augment": {"preset": "flips"}}
    config = recipe({"epochs": 0.5, "recalibrate_bn": True}, **sections)
    assert all(value.isfinite().all() for value in run(new_fit(config, given)).values())
