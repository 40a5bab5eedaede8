"""Adapting a trained network to the images of one call, without their labels; guarded, because it can collapse.

This file is shipped beside model.py where a member adapts: it imports numpy and torch alone. Syntax: Python 3.7.

Methods: "bn" takes BatchNorm's statistics from the images (AdaBN, Li et al., arXiv:1603.04779); "bn_half" takes
half of them and keeps half of the training's (after Schneider et al., arXiv:2006.16971); "bn_mean" averages the
probabilities of "bn" with those of the network as it was; "tent" goes on from "bn" by lowering the entropy of the
predicts (Wang et al., arXiv:2006.10726); "prior" re-weights the classes by EM (Saerens et al., 2002).
"""

from __future__ import annotations

import copy
from typing import Any, Callable, Dict, Iterable, List, Sequence

import numpy as np
import torch
from torch import Tensor, nn

METHODS = ("bn", "bn_half", "bn_mean", "tent", "prior")
SHARE = {"bn": 1.0, "bn_half": 0.5, "bn_mean": 1.0, "tent": 1.0}
"""Weight of the images' statistics against the training's."""

MIN_ROWS = 200
"""Statistics of fewer images are noise."""

MIN_CLASSES = 0.5
"""Share of the classes that predictions must spread over: a batch of one class is taken for a shift, and collapses."""

PIXELS = 64 * 96 * 96
"""Of a batch whose statistics are taken: those of fewer images are too narrow."""

TENT_LR, TENT_ROWS = 1e-3, 64
EM_STEPS, EM_FLOOR = 100, 1e-3

Batches = Callable[[], Iterable[Tensor]]
"""The images (B, 3, S, S) as the network takes them, over and over."""


def refusal(proba: np.ndarray, min_rows: int = MIN_ROWS, min_classes: float = MIN_CLASSES) -> str:
    """Why images with the predictions proba (N, C) are not adapted to; "" where they may be.

    The spread is the effective number of classes: exp of the entropy of the mean prediction.
    """
    if len(proba) < min_rows:
        return "%d images, fewer than %d" % (len(proba), min_rows)
    mean = np.maximum(proba.mean(axis=0), 1e-12)
    spread = float(np.exp(-(mean * np.log(mean)).sum()))
    wanted = min_classes * proba.shape[1]
    return "" if spread >= wanted else "predictions spread over %.1f classes, fewer than %.1f" % (spread, wanted)


def batch_norms(net: nn.Module) -> List[Any]:
    """The layers that keep statistics of their training images."""
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    return [module for module in norms if module.running_mean is not None]


def adapted(net: nn.Module, batches: Batches, method: str) -> nn.Module:
    """A copy of `net`, in inference mode, with statistics of `batches`; `net` itself where it keeps none."""
    if not batch_norms(net):
        return net
    with torch.inference_mode(False):  # a caller's inference mode would not let anything learn
        changed = copy.deepcopy(net)
        recalibrate(changed, batches(), SHARE[method])
        if method == "tent":
            _lower_entropy(changed, batches)
    return changed.eval().requires_grad_(False)


def interleaved(rows: int, most: int) -> List[slice]:
    """Every k-th of `rows` rows, k times: batches of at most `most`, as equal as can be, that mix whatever order.

    A ragged end would weigh as much as a full batch, and one row alone has no variance; so `most` is 2 or more.
    """
    count = -(-rows // max(2, most))
    return [slice(first, None, count) for first in range(count)]


def recalibrate(net: nn.Module, batches: Iterable[Tensor], share: float = 1.0) -> None:
    """BatchNorm's statistics become those of `batches` (B, 3, S, S), every row alike, by `share`; in place.

    All other layers are as they are in inference; `net` keeps its mode.
    """
    layers, was_training = batch_norms(net), net.training
    before = [(layer.running_mean.clone(), layer.running_var.clone(), layer.momentum) for layer in layers]
    net.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.train()
    rows = 0
    with torch.no_grad():
        for x in batches:
            rows += len(x)
            for layer in layers:
                layer.momentum = len(x) / rows
            net(x)
    for layer, (mean, variance, momentum) in zip(layers, before):
        layer.running_mean.lerp_(mean, 1 - share)
        layer.running_var.lerp_(variance, 1 - share)
        layer.momentum = momentum
    net.train(was_training)


def _lower_entropy(net: nn.Module, batches: Batches) -> None:
    """One pass over the images; only the scales and offsets of BatchNorm learn."""
    learning = [parameter for layer in batch_norms(net) for parameter in layer.parameters()]
    net.requires_grad_(False)
    for parameter in learning:
        parameter.requires_grad_(True)
    if not learning:
        return
    optimizer = torch.optim.Adam(learning, lr=TENT_LR)
    with torch.enable_grad():
        for whole in batches():
            for x in (whole[part] for part in interleaved(len(whole), TENT_ROWS)):
                logs = net(x.clone()).float().log_softmax(1)
                loss = -(logs.exp() * logs).sum(1).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()


def corrected_prior(proba: np.ndarray, prior: Sequence[float]) -> np.ndarray:
    """proba (N, C) under the class shares that make it likeliest, found by EM from the training's shares `prior`."""
    trained = np.maximum(np.asarray(prior, dtype=np.float64), EM_FLOOR)
    shares, out = trained, proba
    for _ in range(EM_STEPS):
        out = proba * (shares / trained)
        out = out / out.sum(axis=1, keepdims=True)
        new = np.maximum(out.mean(axis=0), EM_FLOOR)
        if np.abs(new - shares).max() < 1e-5:
            break
        shares = new
    return out


def adapted_proba(
    net: nn.Module,
    batches: Batches,
    source: np.ndarray,
    predict: Callable[[nn.Module], np.ndarray],
    method: str,
    prior: Sequence[float],
) -> np.ndarray:
    """Probabilities (N, C) by `method`, without the guard of `refusal`.

    source (N, C) are those of `net` as it is; predict gives those of another network for the same images.
    """
    if method == "prior":
        return corrected_prior(source, prior)
    changed = adapted(net, batches, method)
    if changed is net:
        return source
    proba = predict(changed)
    return (source + proba) / 2 if method == "bn_mean" else proba


def guarded_proba(
    net: nn.Module,
    batches: Batches,
    source: np.ndarray,
    predict: Callable[[nn.Module], np.ndarray],
    config: Dict[str, Any],
    say: Callable[[str], None],
) -> np.ndarray:
    """`adapted_proba` for config {"method", "prior"}; `source`, and a line to `say`, where the guard refuses."""
    reason = refusal(source)
    if reason:
        say("not adapted: %s" % reason)
        return source
    return adapted_proba(net, batches, source, predict, config["method"], config["prior"])
