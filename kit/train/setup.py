"""What each fit of a recipe starts from: network, material, precision; and how fast they are here."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.inference.model import net_logits, quickened
from kit.nets.pretrained import load_pretrained
from kit.nets.registry import build
from kit.nets.weights.needs import completed
from kit.situation.resolve import is_open, resolve
from kit.train.batches import Material
from kit.train.device import settle
from kit.train.fit import Fit
from kit.train.material import make_material
from kit.train.member import member_spec
from kit.train.memory import with_batch_share
from kit.train.parallel import ALONE, Ranks, check_shareable
from kit.train.precision import Precision, choose_precision
from kit.workspace import Workspace


@dataclass(frozen=True)
class Setup:
    """One recipe on one contest and device."""

    contest: ContestConfig
    prepared: Prepared
    recipe: RecipeConfig
    """With all that it leaves to the contest's situation filled in."""
    workspace: Workspace
    device: torch.device
    batch_share: float = 1.0
    """Share of the recipe's batch that fits into this device's memory."""
    ranks: Ranks = ALONE
    """This process among those that train each fit together."""
    deadline: float | None = None
    """When each fit should have made its last step, in the seconds of time.monotonic()."""

    def __post_init__(self) -> None:
        if is_open(self.recipe):  # filled in here, so that whoever makes one stores what is really trained
            found = self.ranks.first_then_others(
                lambda: resolve(self.recipe, self.contest, self.prepared, self.workspace)
            )
            object.__setattr__(self, "recipe", found)

    def spec(self) -> dict[str, Any]:
        """How the network is described in the submission."""
        return member_spec(self.recipe, len(self.prepared.class_names))

    def new_fit(self, fold: int, images: torch.Tensor, begun: bool = False) -> Fit:
        """The fit at its first step; `begun` as in `Fit`."""
        recipe = with_batch_share(self.recipe, self.batch_share)
        net, material = self.new_net(), self.material(fold, images)  # before speeds are measured, which draws too
        if self.ranks.size > 1:
            check_shareable(recipe, len(material.rows), self.ranks)
        precision = self.precision(images)
        return Fit(recipe, net, material, precision, self.device, self.ranks, self.deadline, begun)

    def material(self, fold: int, images: torch.Tensor) -> Material:
        """What the fold is trained on."""
        spec = self.spec()
        mean, std = tuple(spec["mean"]), tuple(spec["std"])
        return make_material(self.prepared, self.recipe, fold, images, mean, std)

    def new_net(self) -> nn.Module:
        """The network with the weights that it starts from."""
        net = self.recipe.net
        args = self.spec()["net"]["args"]
        built = build(net.name, len(self.prepared.class_names), args)
        load_pretrained(built, net.pretrained, net.name, args)
        return built

    def time_step(self, images: torch.Tensor, steps: int = 6) -> tuple[float, str]:
        """Seconds of one training step, augmentation included, and the precision; from a few of `images`.

        The median of `steps`, the first of which does not count.

        No rows are made up for it: SMOTE would ask for images beyond these few.
        """
        train = self.recipe.train.model_copy(update={"sampling": "natural"})
        start = {"head": "random", "bn": "train"} if self.recipe.finetune.bn == "matched" else {"head": "random"}
        tune = self.recipe.finetune.model_copy(update=start)  # how a fit begins is no part of a step
        plain = self.recipe.model_copy(update={"train": train, "finetune": tune})
        fit = replace(self, recipe=plain).new_fit(-1, images)
        fit.step = fit.total // 2  # where layers that are frozen at first have been let go
        rows = torch.arange(self.recipe.train.batch_size) % len(images)
        seconds = []
        for _ in range(steps):
            started = time.perf_counter()
            fit.train_step(rows)
            settle(self.device)
            seconds.append(time.perf_counter() - started)
        return sorted(seconds[1:])[(steps - 1) // 2], fit.precision.name

    def time_image(self, images: np.ndarray) -> float:
        """Seconds for one of `images` (n, H, W, 3) through the network as it is scored, with all views."""
        spec = self.spec()
        net = self.new_net().to(self.device).to(memory_format=torch.channels_last).eval()
        net = quickened(net, spec["size"])
        net_logits(net, images[:32], spec)
        started = time.perf_counter()
        net_logits(net, images, spec)
        return (time.perf_counter() - started) / len(images)

    def precision(self, images: torch.Tensor) -> Precision:
        """Measured once a machine, network, size and batch."""
        batch = images[: self.recipe.train.batch_size].float() / 255
        key = self.precision_key(tuple(batch.shape))
        bare = completed(self.recipe.net).model_copy(update={"pretrained": False})
        fresh = replace(self, recipe=self.recipe.model_copy(update={"net": bare}))
        return self.ranks.agreed(
            lambda: choose_precision(fresh.new_net, batch, self.device, self.workspace.cache, key)
        )

    def precision_key(self, shape: tuple[int, ...]) -> str:
        """What a measured precision holds for: network, its arguments and the batch's shape (B, 3, H, W)."""
        return f"{self.recipe.net.name} {completed(self.recipe.net).args} {shape}"
