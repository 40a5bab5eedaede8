"""Augmentation as a recipe writes it: albumentations transforms by name with their arguments, in order.

A step is a table: `{name = "MotionBlur", blur_limit = [3, 7], p = 0.3}`; containers (`OneOf`, `SomeOf`,
`Sequential`, `RandomOrder`) hold `transforms`, a list of further steps. Beside albumentations' names there are
torchvision's `RandAugment`, `TrivialAugmentWide` and `AugMix`. Every image has a seed of its own, so that a draw
does not depend on batch or order.
"""

from __future__ import annotations

import inspect
import os
import random
import threading
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor
from torchvision.transforms import v2

from kit.errors import ConfigError, did_you_mean
from kit.train.presets import Step

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as A

CONTAINERS = ("OneOf", "SomeOf", "Sequential", "RandomOrder")
PUBLISHED = {"RandAugment": v2.RandAugment, "TrivialAugmentWide": v2.TrivialAugmentWide, "AugMix": v2.AugMix}


GLOBAL_STATE = threading.Lock()


class Published(A.ImageOnlyTransform):
    """One of torchvision's published policies as a step of albumentations'."""

    def __init__(self, transform: Any, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.transform = transform

    def apply(self, img: np.ndarray, **params: Any) -> np.ndarray:
        """(H, W, 3) uint8 -> (H, W, 3) uint8."""
        # torchvision draws from torch's global state, which all threads share, and which is put back afterwards.
        with GLOBAL_STATE, torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(self.random_generator.integers(2**31)))
            changed = self.transform(torch.from_numpy(np.ascontiguousarray(img)).permute(2, 0, 1))
        return changed.permute(1, 2, 0).numpy()


class Policy:
    """A policy that is applied to batches, by as many threads as `workers` says."""

    def __init__(self, steps: Sequence[Step], where: str = "augment.policy", workers: int = 1) -> None:
        self._composed = [compose(steps, where) for _ in range(max(1, workers))]

    def __call__(self, batch: Tensor, generator: Generator) -> Tensor:
        """batch (N, 3, S, S) uint8 -> a new tensor of that shape; one draw of `generator` an image. All on the CPU."""
        seeds = torch.randint(2**31, (len(batch),), generator=generator).tolist()
        images = batch.permute(0, 2, 3, 1).contiguous().numpy()
        out = np.empty_like(images)
        shares = [(composed, range(start, len(images), len(self._composed)))
                  for start, composed in enumerate(self._composed)]  # fmt: skip

        def work(share: tuple[A.Compose, range]) -> None:
            for row in share[1]:
                out[row] = draw(share[0], images[row], seeds[row])

        if len(shares) == 1:
            work(shares[0])
        else:
            with ThreadPoolExecutor(len(shares)) as pool:
                list(pool.map(work, shares))
        return torch.from_numpy(out).permute(0, 3, 1, 2).contiguous()


def draw(composed: A.Compose, image: np.ndarray, seed: int) -> np.ndarray:
    """One draw of a policy on an image (S, S, 3) uint8."""
    # Not `set_random_seed`: it gives every step a generator of the same seed, and all of them act or none does.
    composed.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return composed(image=image)["image"]


def compose(steps: Sequence[Step], where: str = "augment.policy") -> A.Compose:
    """The steps as one transform; ConfigError, with the step's place, where one breaks a rule."""
    composed = A.Compose([_transform(step, f"{where}[{index}]") for index, step in enumerate(steps)])
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for seed in range(3):
        out = draw(composed, image, seed)
        if out.shape != image.shape or out.dtype != np.uint8:
            raise ConfigError(
                f"{where}: a policy must keep the image's shape and uint8, but it made {out.dtype} {out.shape} "
                f"of uint8 {image.shape}. Leave out crops, resizing and normalisation: the kit does these"
            )
    return composed


def known_transforms() -> list[str]:
    """Names that a step may have."""
    bases = (A.BasicTransform, A.BaseCompose)
    found = [name for name, member in vars(A).items() if inspect.isclass(member) and issubclass(member, bases)]
    abstract = {"BasicTransform", "BaseCompose", "DualTransform", "ImageOnlyTransform", "Transform3D", "Lambda"}
    return sorted({*found, *PUBLISHED} - abstract - {"Compose", "ReplayCompose"})


def _transform(step: Step, where: str) -> Any:
    if not isinstance(step, Mapping) or not isinstance(step.get("name"), str):
        raise ConfigError(f'{where}: a step must be a table with a name, such as {{name = "D4"}}, but got {step!r}')
    given = {key: _tuples(value) for key, value in step.items() if key != "name"}
    name = step["name"]
    if name not in known_transforms():
        raise ConfigError(f"{where}: no transform {name!r}.{did_you_mean(name, known_transforms())}")
    if name in CONTAINERS:
        children = step.get("transforms", ())
        given["transforms"] = [_transform(child, f"{where}.transforms[{i}]") for i, child in enumerate(children)]
    if name in PUBLISHED:
        p = given.pop("p", 1.0)
        return Published(_construct(PUBLISHED[name], name, given, where), p=p)
    return _construct(getattr(A, name), name, given, where)


def _construct(cls: Any, name: str, given: dict[str, Any], where: str) -> Any:
    known = [key for key in inspect.signature(cls.__init__).parameters if key not in ("self", "args", "kwargs")]
    for key in given:
        if key not in known:
            raise ConfigError(
                f"{where}: {name} has no argument {key!r}.{did_you_mean(key, known)} It takes {', '.join(known)}"
            )
    try:
        with warnings.catch_warnings():
            # albumentations warns of a value that it replaces by another; a recipe should say what happens.
            warnings.simplefilter("error", UserWarning)
            return cls(**given)
    except (TypeError, ValueError, UserWarning) as error:
        raise ConfigError(f"{where}: {name} refuses {given!r}: {error}") from error


def _tuples(value: Any) -> Any:
    """TOML has lists where albumentations wants pairs."""
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value
