"""Images per second of training: the kit's whole step, the bare step on a resident batch, and a DataLoader loop.

The bare step is forward, backward and the optimiser on one batch that never changes: nothing can be faster without
changing the network. The loop is what a contestant writes: albumentations an image in worker processes, pinned
memory, timm's Mixup and EMA. All three in the same precision, one after the other, network by network.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import timm
import torch
from gpu_results import Results
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

from kit.config import RecipeConfig
from kit.train.batches import Material
from kit.train.device import pick_device, settle
from kit.train.fit import READ_EVERY, Fit
from kit.train.images import epoch_batches
from kit.train.precision import Precision

CLASSES = 8


@dataclass(frozen=True)
class Case:
    """A network, the size of its images, and its batch."""

    net: str
    size: int
    batch: int


CASES = (
    Case("resnet18", 96, 256),
    Case("mobilenetv2_100", 96, 256),
    Case("efficientnet_b0", 96, 256),
    Case("convnext_tiny", 224, 128),
    Case("swin_base_patch4_window7_224", 224, 64),
    Case("convnext_xlarge", 224, 64),
)
TINY = (Case("resnet18", 32, 8),)


def speed(results: Results, given: argparse.Namespace) -> None:
    """A row a network and way; and of the first one compiled."""
    device, seconds = pick_device(), 0.2 if given.tiny else 2.0
    torch.backends.cudnn.benchmark = False
    for number, case in enumerate(TINY if given.tiny else CASES):
        images = torch.from_numpy(
            np.random.default_rng(0).integers(0, 256, (16 * case.batch, 3, case.size, case.size), dtype=np.uint8)
        )
        base = add(results, case, "bare", lambda: bare(case, device, seconds), 0.0)  # noqa: B023
        add(results, case, "kit", lambda: kit(case, images, device, seconds), base)  # noqa: B023
        add(results, case, "loop", lambda: loop(case, images, device, seconds), base)  # noqa: B023
        if number == 0 and device.type == "cuda":
            add(results, case, "kit, compiled", lambda: kit(case, images, device, seconds, True), base)  # noqa: B023


def add(results: Results, case: Case, way: str, measure: Callable[[], float], base: float) -> float:
    """Measures and writes a row; a way that fails is said."""
    try:
        found = measure()
    except Exception as error:  # the other rows are still wanted
        results.add(net=case.net, size=case.size, batch=case.batch, way=way, failed=f"{type(error).__name__}: {error}")
        return 0.0
    share = {"of_bare": found / base} if base else {}
    results.add(net=case.net, size=case.size, batch=case.batch, way=way, images_per_second=found, **share)
    return found


def timed(step: Callable[[], int], device: torch.device, seconds: float) -> float:
    """Images per second of `step`, which gives how many it took; the first three do not count."""
    for _ in range(3):
        step()
    settle(device)
    started, images = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        for _ in range(READ_EVERY if device.type != "cpu" else 1):
            images += step()
        settle(device)
    return images / (time.perf_counter() - started)


def made(case: Case) -> nn.Module:
    """The network with random weights."""
    return timm.create_model(case.net, num_classes=CLASSES)


def bare(case: Case, device: torch.device, seconds: float) -> float:
    """Forward, backward and the optimiser on a resident batch, in bfloat16 on a GPU."""
    net = made(case).to(device).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, fused=True)
    x = torch.rand(case.batch, 3, case.size, case.size, device=device).contiguous(memory_format=torch.channels_last)
    y = torch.arange(case.batch, device=device) % CLASSES

    def step() -> int:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = cross_entropy(net(x).float(), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return case.batch

    return timed(step, device, seconds)


def kit(case: Case, images: Tensor, device: torch.device, seconds: float, compiled: bool = False) -> float:
    """The fit's own step: strong augmentation, MixUp, EMA."""
    recipe = RecipeConfig.model_validate(
        {"name": "speed", "net": {"name": f"timm/{case.net}"}, "size": case.size, "views": ["identity"],
         "augment": {"preset": "strong", "mixup": 0.4, "mix_share": 0.5},
         "train": {"epochs": 1000, "batch_size": case.batch, "lr": 1e-4, "ema_decay": 0.999}}
    )  # fmt: skip
    labels = torch.arange(len(images)) % CLASSES
    targets, half = nn.functional.one_hot(labels, CLASSES).float(), (0.5, 0.5, 0.5)
    material = Material(images, targets, torch.arange(len(images)), None, half, half)
    fit = Fit(recipe, made(case), material, Precision(device.type == "cuda", True, ""), device)
    if compiled:
        fit.net.compile()
    batches = endless(fit, len(images))

    def step() -> int:
        fit.train_step(next(batches))
        return case.batch

    return timed(step, device, seconds)


def endless(fit: Fit, rows: int) -> Iterator[Tensor]:
    """Row numbers, epoch after epoch, announced as a fit announces them."""
    epoch = 0
    while True:
        yield from fit.batches.announced(epoch_batches(torch.arange(rows), fit.recipe.train.batch_size, 0, epoch))
        epoch += 1


class Augmented(Dataset):
    """Images one by one through albumentations, about as much of it as the kit's strong preset has."""

    def __init__(self, images: np.ndarray) -> None:
        import albumentations as A

        self.images = images
        colours = [A.HueSaturationValue(90, 120, 60), A.RandomBrightnessContrast(0.4, 0.4), A.RandomGamma((40, 200)),
                   A.ChannelShuffle(), A.Solarize(), A.Posterize(), A.Equalize()]  # fmt: skip
        damage = [A.GaussianBlur((3, 9)), A.MotionBlur((3, 9)), A.GaussNoise((0.05, 0.2)), A.CoarseDropout(),
                  A.ImageCompression(quality_range=(10, 60)), A.Downscale(scale_range=(0.2, 0.8)),
                  A.GridDropout()]  # fmt: skip
        affine = A.Affine(scale=(0.6, 1.6), rotate=(-180, 180), shear=(-20, 20), translate_percent=0.2, p=0.3)
        self.change = A.Compose([A.D4(p=1), affine, A.SomeOf([*colours, *damage], n=2, replace=False, p=0.8)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        changed = self.change(image=self.images[row])["image"]
        return torch.from_numpy(changed).permute(2, 0, 1).float().div_(127.5).sub_(1), row % CLASSES


def loop(case: Case, images: Tensor, device: torch.device, seconds: float) -> float:
    """A DataLoader with up to 16 workers, timm's Mixup and EMA."""
    from timm.data.mixup import Mixup
    from timm.utils import ModelEmaV3

    net = made(case).to(device).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, fused=True)
    mix, ema = Mixup(0.4, prob=0.5, num_classes=CLASSES), ModelEmaV3(net, 0.999)
    workers = min(16, os.cpu_count() or 1) if device.type == "cuda" else 0
    data = Augmented(images.permute(0, 2, 3, 1).contiguous().numpy())
    loader = DataLoader(data, case.batch, shuffle=True, drop_last=True, num_workers=workers,
                        pin_memory=device.type == "cuda", persistent_workers=workers > 0)  # fmt: skip

    def forever() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from loader

    batches = forever()

    def step() -> int:
        x, y = (one.to(device, non_blocking=True) for one in next(batches))
        x, targets = mix(x.contiguous(memory_format=torch.channels_last), y)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = cross_entropy(net(x).float(), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        ema.update(net)
        return case.batch

    return timed(step, device, seconds)
