"""Smaller versions of a contest and its recipes, for machines on which the full ones take days; their names say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kit.config import ContestConfig, FinetuneConfig, RecipeConfig
from kit.data.folds import make_folds
from kit.data.prepared import Prepared
from kit.errors import ConfigError, NetError
from kit.nets.registry import min_size
from kit.nets.weights.needs import check_weights

SCRATCH_LR = 1e-3
"""Largest learning rate of a network that starts from random weights instead of the ones that its recipe wants."""


@dataclass(frozen=True)
class Scale:
    """What is made smaller; None and nothing leave contest and recipes as they are."""

    rows: int | None = None
    """Rows that are kept, classes in their shares, groups whole."""
    folds: int | None = None
    cells: int | None = None
    """Shifted images a row."""
    size: int | None = None
    """Largest height and width that a network sees; it sees more where it takes no less."""
    epochs: float | None = None
    """Most epochs."""
    offline: bool = False
    """The hub is not asked: weights that do not lie on this machine are replaced by random ones."""
    swaps: Mapping[str, str] = field(default_factory=dict)
    """Networks or backbones (without "timm/") that another one stands for."""

    def contest(self, contest: ContestConfig, shuffle: bool | None = None) -> ContestConfig:
        """The contest under a name of its own, where rows, folds or their shuffling change."""
        shuffle = contest.folds.shuffle if shuffle is None else shuffle
        parts = [f"{self.rows}rows"] if self.rows else []
        parts += [f"{self.folds}folds"] if self.folds else []
        parts += [f"{self.cells}cells"] if self.cells else []
        parts += ["unshuffled"] if shuffle < contest.folds.shuffle else []
        if (self.folds or shuffle < contest.folds.shuffle) and contest.folds.kind != "group_kfold":
            raise ConfigError(f"{contest.name}: folds of kind {contest.folds.kind!r} are given. Leave them as they are")
        folds: dict[str, Any] = {"shuffle": shuffle} | ({"n_splits": self.folds} if self.folds else {})
        shift: dict[str, Any] = {"cells_per_row": self.cells} if self.cells else {}
        changed: dict[str, Any] = {
            "name": "-".join([contest.name, *parts]),
            "folds": contest.folds.model_copy(update=folds),
            "shift": contest.shift.model_copy(update=shift),
        }
        return contest.model_copy(update=changed)

    def prepared(self, prepared: Prepared, contest: ContestConfig) -> Prepared:
        """The rows that are kept, in folds as `contest` (made by this scale) wants them."""
        keep = np.arange(len(prepared.ids))
        if self.rows and self.rows < len(keep):
            keep = stratified(prepared.labels, prepared.groups, self.rows, contest.seed)
        elif not self.folds and contest.folds.shuffle:
            return prepared
        kept = prepared.take(keep)
        if contest.folds.kind != "group_kfold":
            return kept
        table = make_folds(kept.ids, kept.labels, kept.groups, contest.folds, contest.seed, kept.class_names)
        return kept.with_folds(table["fold"].to_numpy())

    def recipe(self, recipe: RecipeConfig) -> RecipeConfig:
        """The recipe under a name that tells what was changed."""
        made, parts = self._swapped(recipe)
        if self.offline and made.net.pretrained is True:
            made, told = offline(made)
            parts += told
        size = made.size
        if self.size is not None and self.size < size:
            size = min(size, max(self.size, min_size(made.net.name, made.net.args)))
        parts += [f"{size}px"] if size != made.size else []
        epochs = made.train.epochs if self.epochs is None else min(made.train.epochs, self.epochs)
        parts += [f"e{epochs:g}"] if epochs != made.train.epochs else []
        train = made.train.model_copy(update={"epochs": epochs})
        return made.model_copy(update={"name": "-".join([recipe.name, *parts]), "size": size, "train": train})

    def _swapped(self, recipe: RecipeConfig) -> tuple[RecipeConfig, list[str]]:
        family, _, name = recipe.net.name.partition("/")
        args: dict[str, Any] = dict(recipe.net.args)
        used = [one for one in self.swaps if one in (name, *args.get("backbones", ()))]
        if not used:
            return recipe, []
        if "backbones" in args:
            args["backbones"] = [self.swaps.get(one, one) for one in args["backbones"]]
        renamed = f"{family}/{self.swaps[name]}" if name in self.swaps else recipe.net.name
        net = recipe.net.model_copy(update={"name": renamed, "args": args})
        return recipe.model_copy(update={"net": net}), [f"as-{self.swaps[one]}" for one in used]


def offline(recipe: RecipeConfig) -> tuple[RecipeConfig, list[str]]:
    """The recipe as it is where its weights lie on this machine; else random ones, from which all layers learn."""
    try:
        check_weights(recipe.net, ask_hub=False)
    except NetError:
        train = recipe.train.model_copy(update={"lr": min(recipe.train.lr, SCRATCH_LR)})
        net = recipe.net.model_copy(update={"pretrained": False})
        return recipe.model_copy(update={"net": net, "train": train, "finetune": FinetuneConfig()}), ["scratch"]
    return recipe, []


def stratified(labels: np.ndarray, groups: np.ndarray, rows: int, seed: int) -> np.ndarray:
    """About `rows` row numbers (n,) int64, sorted: classes keep their shares of labels (N,), groups (N,) stay whole."""
    quota = np.round(np.bincount(labels) * rows / len(labels)).astype(int)
    taken = np.zeros_like(quota)
    unique, first = np.unique(groups, return_index=True)
    chosen = []
    for place in np.random.default_rng(seed).permutation(len(unique)):
        label = labels[first[place]]
        if taken[label] < quota[label]:
            members = np.flatnonzero(groups == unique[place]) if len(unique) < len(groups) else first[place : place + 1]
            chosen.append(members)
            taken += np.bincount(labels[members], minlength=len(quota))
    return np.sort(np.concatenate(chosen))
