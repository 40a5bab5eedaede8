"""A head that starts where logistic regression on the frozen body's features ends (LP-FT, arXiv:2202.10054).

A random head sends large, meaningless gradients into a pretrained body; with few steps to recover it ends behind the
features that it began with.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from kit.config import RecipeConfig
from kit.train.batches import Batches
from kit.train.embedded import embed, single_head

ROWS, ROWS_PER_CLASS = 1024, 20
"""Training rows that it is fitted to, and those of every class in any case: each costs a pass, for a mere beginning.
Where classes are drawn alike, each has as many as an even share of the first."""
PENALTY = 0.1
"""Of the squared weights, over features of unit variance, against the mean loss of a row."""
STEPS = 60


def start_head(net: nn.Module, batches: Batches, recipe: RecipeConfig) -> None:
    """Sets the weights of the one linear layer of `net` that classifies; TrainError where it has another classifier."""
    head = single_head(net, 'finetune.head = "probe"', 'Use "random"')
    material = batches.material
    rows = material.rows[material.rows < len(material.images)]
    labels = material.targets[rows].argmax(1)
    even = ROWS // material.targets.shape[1] if recipe.train.sampling == "weighted" else 0
    rows = rows[some(labels, recipe.train.seed, max(ROWS_PER_CLASS, even))]
    with batches.precision.autocast(batches.device):  # a beginning: the digits of bfloat16 are enough
        features = embed(net, batches, rows)
    targets = material.targets[rows]
    if material.class_weights is not None:
        targets = targets * material.class_weights
    weight, bias = logistic(features, targets)
    with torch.no_grad():
        head.weight.copy_(weight)
        if head.bias is not None:
            head.bias.copy_(bias)


def some(labels: Tensor, seed: int, of_class: int = ROWS_PER_CLASS) -> Tensor:
    """Places in `labels` (n,) int64, ascending: ROWS drawn by `seed`, and of every class at least `of_class`."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    by_class = labels[order].argsort(stable=True)
    counts = labels.bincount()
    first = torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    within = torch.empty_like(by_class)
    within[by_class] = torch.arange(len(labels)) - first
    kept = (torch.arange(len(labels)) < ROWS) | (within < of_class)
    return order[kept].sort().values


def logistic(features: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Weight (C, D) and bias (C,) for features (n, D) and weighted one-hot targets (n, C), all float32."""
    mean, spread = features.mean(0), features.std(0, correction=0).clamp(min=1e-4)
    x = (features - mean) / spread
    weight = torch.zeros(targets.shape[1], x.shape[1], requires_grad=True)
    bias = torch.zeros(targets.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        fits = -(targets * log_softmax(x @ weight.T + bias, 1)).sum() / targets.sum()
        total = fits + PENALTY / 2 * weight.square().sum()
        total.backward()
        return total

    with torch.enable_grad():
        optimizer.step(loss)
    found = weight.detach() / spread
    return found, bias.detach() - found @ mean
