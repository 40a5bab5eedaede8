"""Weights in eight bits, a scale an output channel: half of half precision, where held-out rows bear it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import safetensors.torch
import torch

from kit.artefact import sha256_bytes
from kit.data.prepared import Prepared
from kit.inference.model import SCALE, merge_views, net_logits
from kit.metrics.registry import get_metric
from kit.oof_store import OofRun
from kit.packaging.members import Member
from kit.packaging.precision_loss import Loss

SMALL = 4096
"""Tensors of fewer elements stay as they are: they weigh little, and some are scales themselves."""

ROWS = 300
"""Most held-out rows that a network is evaluated on."""


def eight_bits(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int8 values of weights (O, ...), and the float32 scale (O, 1, ...) that they are multiplied by."""
    largest = np.abs(weights).max(axis=tuple(range(1, weights.ndim)), keepdims=True)
    scale = (np.maximum(largest, 1e-12) / 127).astype(np.float32)
    return np.rint(weights / scale).astype(np.int8), scale


def quantised(member: Member) -> Member:
    """The member with its large weights in eight bits."""
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in sorted(safetensors.torch.load(member.weights).items()):
        if not tensor.is_floating_point() or tensor.dim() < 2 or tensor.numel() < SMALL:
            tensors[name] = tensor
            continue
        values, scale = eight_bits(tensor.float().numpy())
        tensors[name], tensors[name + SCALE] = torch.from_numpy(values), torch.from_numpy(scale)
    data = safetensors.torch.save(tensors)
    return replace(member, entry=member.entry | {"sha256": sha256_bytes(data), "precision": "int8"}, weights=data)


def measure(members: Sequence[Member], run: OofRun, prepared: Prepared, metric: str = "accuracy") -> Loss:
    """What the eight-bit `members` of one recipe predict for rows that they were not trained on, against the store."""
    place_of = {row_id: place for place, row_id in enumerate(prepared.ids)}
    labels, before, after = [], [], []
    for member in members:
        rows = np.flatnonzero(run.folds == member.entry["fold"])
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:ROWS])
        images = prepared.images[[place_of[row_id] for row_id in run.ids[rows]]]
        logits = net_logits(member.network(), images, member.spec)
        labels.append(run.labels[rows])
        before.append(merge_views(run.logits[rows], 1.0))
        after.append(merge_views(logits, 1.0))
    truth, was, now = (np.concatenate(parts) for parts in (labels, before, after))
    wanted = get_metric(metric)
    lost = wanted.sign * (wanted.score(truth, was) - wanted.score(truth, now))
    return Loss(len(truth), float((was.argmax(-1) == now.argmax(-1)).mean()), lost, metric)
