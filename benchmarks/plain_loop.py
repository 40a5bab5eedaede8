"""What a contestant writes in an evening: one network, flips and crops, one cycle, as many epochs as fit."""

from __future__ import annotations

import time

import numpy as np
import timm
import torch
from torch.nn.functional import cross_entropy, interpolate

from kit.nets.pretrained import load_pretrained

SHARE = 0.92
"""Of the minutes that training may take; the rest is loading and predicting."""
MOST_EPOCHS = 30


def mobilenet(classes: int) -> torch.nn.Module:
    """MobileNetV2 from the weights that are found here."""
    net = timm.create_model("mobilenetv2_100", num_classes=classes, pad_type="same")
    load_pretrained(net, True, "timm/mobilenetv2_100", {"pad_type": "same"})
    return net


def resnet(classes: int) -> torch.nn.Module:
    """ResNet-18 from scratch."""
    return timm.create_model("resnet18", num_classes=classes)


NETS = {"mobilenetv2": (mobilenet, 96), "resnet18": (resnet, 64)}


def fit_predict(
    name: str, images: np.ndarray, labels: np.ndarray, unseen: np.ndarray, classes: int, flips: bool, minutes: float
) -> np.ndarray:
    """Labels (M,) of unseen (M, H, W, 3) uint8, from one network that learnt for `minutes`."""
    started = time.monotonic()
    torch.manual_seed(0)
    make, size = NETS[name]
    net = make(classes).to(memory_format=torch.channels_last)
    x, y = _sized(images, size), torch.from_numpy(labels)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.05)
    end, done, most = started + 60 * minutes * SHARE, 0, MOST_EPOCHS * max(1, len(x) // 32)
    progress = 0.0
    while progress < 1:
        for rows in torch.randperm(len(x)).split(32):
            elapsed = (time.monotonic() - started) / (end - started)
            progress = min(1.0, max(elapsed, done / most))
            if progress >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * min(progress / 0.1, (1 - progress) / 0.9)
            batch = _augmented(x[rows], flips)
            loss = cross_entropy(net(_normalised(batch)), y[rows], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
    net.eval()
    with torch.inference_mode():
        parts = [net(_normalised(part)).argmax(1) for part in _sized(unseen, size).split(128)]
    return torch.cat(parts).numpy()


def _sized(images: np.ndarray, size: int) -> torch.Tensor:
    parts = [
        interpolate(torch.from_numpy(images[start : start + 256]).permute(0, 3, 1, 2).float(), (size, size),
                    mode="bilinear", antialias=True)
        for start in range(0, len(images), 256)
    ]  # fmt: skip
    return torch.cat(parts).round().to(torch.uint8)


def _normalised(x: torch.Tensor) -> torch.Tensor:
    return (x.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def _augmented(x: torch.Tensor, flips: bool) -> torch.Tensor:
    if flips:
        x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x)
    size, pad = x.shape[-1], x.shape[-1] // 8
    padded = torch.nn.functional.pad(x.float(), (pad, pad, pad, pad), mode="reflect")
    top, left = torch.randint(0, 2 * pad + 1, (2,)).tolist()
    return padded[:, :, top : top + size, left : left + size]
