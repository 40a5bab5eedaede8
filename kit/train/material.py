"""What one fold is trained on: its rows, balanced where the recipe says so, and the rows that are only watched."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from kit.config import RecipeConfig
from kit.data.folds import split
from kit.data.prepared import Prepared
from kit.train.balance import oversample, smote
from kit.train.batches import Material
from kit.train.losses import class_weights
from kit.train.stopping import inner_split


def make_material(
    prepared: Prepared,
    recipe: RecipeConfig,
    fold: int,
    images: Tensor,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
) -> Material:
    """The material of `fold`; images (N, 3, S, S) uint8 are all of the contest. Held-out rows enter nothing."""
    count = len(prepared.class_names)
    labels = np.array(prepared.labels)
    train, watched = fold_rows(prepared, recipe, fold)
    weights = class_weights(recipe.train.class_weights, torch.from_numpy(labels[train]), count)
    if recipe.train.sampling == "oversample":
        train = train[oversample(labels[train], recipe.train.seed)]
    if recipe.train.sampling == "smote":
        images, labels, train = _with_made_up(images, labels, train, recipe.train.seed)
    targets = nn.functional.one_hot(torch.from_numpy(labels), count).float()
    if prepared.weights is not None:
        targets[: len(prepared.weights)] *= torch.from_numpy(prepared.weights)[:, None]
    return Material(
        images,
        targets,
        torch.from_numpy(train),
        weights,
        mean,
        std,
        None if watched is None else torch.from_numpy(watched),
    )


def fold_rows(prepared: Prepared, recipe: RecipeConfig, fold: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows to train on, and rows to watch where the recipe stops early: the contest's inner rows, if it has some."""
    part = split(prepared.folds, fold)
    if not recipe.stopping.share:
        return part.train, None
    if len(part.inner):
        return part.train, part.inner
    labels = np.array(prepared.labels)
    return inner_split(part.train, labels, prepared.groups, recipe.stopping.share, recipe.train.seed)


def _with_made_up(
    images: Tensor, labels: np.ndarray, train: np.ndarray, seed: int
) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """SMOTE's images behind the contest's, with their labels, and the training rows with theirs."""
    grown, grown_labels = smote(images[train].numpy(), labels[train], seed)
    made, made_labels = grown[len(train) :], grown_labels[len(train) :]
    numbers = np.arange(len(labels), len(labels) + len(made))
    whole = torch.cat([images, torch.from_numpy(made)])
    return whole, np.concatenate([labels, made_labels]), np.concatenate([train, numbers])
