"""Checkpoints as training programs save them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from kit.errors import NetError
from kit.nets import registry
from kit.nets.pretrained import load_pretrained
from kit.nets.weights.files import read_state


def wrapped(state: dict[str, Any], *prefixes: str) -> dict[str, Any]:
    return {"".join(prefixes) + key: value for key, value in state.items()}


STATE = {"conv.weight": torch.rand(2, 3, 1, 1), "norm.running_mean": torch.rand(2), "fc.bias": torch.rand(4)}
SAVED: dict[str, Any] = {
    "bare": STATE,
    "epoch and model_state_dict": {"epoch": 3, "model_state_dict": STATE, "optimizer": {"lr": 0.1}},
    "net": {"net": STATE, "acc": 93.1, "epoch": 7},
    "state_dict and a numpy number": {"state_dict": STATE, "best_acc": np.float64(0.9), "n": np.int64(3)},
    "numpy float32": {"state_dict": STATE, "best_acc1": np.float32(0.9)},
    "parsed arguments": {"state_dict": STATE, "args": argparse.Namespace(lr=0.1)},
    "averaged first": {"state_dict": wrapped(STATE, "x."), "state_dict_ema": STATE},
    "nested": {"model": {"state_dict": STATE}, "arch": "resnet"},
    "a name under model": {"model": "resnet50", "state_dict": STATE},
    "DataParallel": {"state_dict": wrapped(STATE, "module.")},
    "compiled": wrapped(STATE, "_orig_mod."),
    "compiled and parallel": wrapped(STATE, "module.", "_orig_mod."),
    "Lightning": {"state_dict": wrapped(STATE, "model."), "pytorch-lightning_version": "2"},
    "average of torch": wrapped(STATE, "module.") | {"n_averaged": torch.tensor(3)},
    "beside plain values": STATE | {"epoch": 3},
}


@pytest.mark.parametrize("saved", SAVED.values(), ids=SAVED)
def test_usual_envelopes_and_prefixes_are_opened(saved: dict[str, Any], tmp_path: Path) -> None:
    torch.save(saved, tmp_path / "x.pth")
    found = read_state(tmp_path / "x.pth")
    for key, value in STATE.items():
        torch.testing.assert_close(found[key], value)


class Marker:
    """Something that only its own program could read."""


REFUSED: dict[str, tuple[Any, str]] = {
    "a list": ([torch.rand(2), torch.rand(3)], "a list of 2 Tensor"),
    "a tensor": (torch.rand(2), "one Tensor"),
    "no weights": ({"epoch": 3, "state_dict": {}}, r"'epoch' \(int\), 'state_dict' \(dict\)"),
    "a module": (nn.Linear(2, 2), r"torch\.nn\.modules\.linear\.Linear"),
    "an object": ({"state_dict": STATE, "best": Marker()}, "Marker"),
}


@pytest.mark.parametrize(("saved", "says"), REFUSED.values(), ids=REFUSED)
def test_other_files_are_refused_and_it_is_said_what_they_hold(saved: Any, says: str, tmp_path: Path) -> None:
    torch.save(saved, tmp_path / "x.pth")
    with pytest.raises(NetError, match=rf"x\.pth: holds .*{says}.*net\.state_dict\(\)"):
        read_state(tmp_path / "x.pth")


@pytest.mark.parametrize("data", [b"", b"not a pickle", b"\x80\x02}q\x00."])
def test_files_of_other_kinds_are_named(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(data)
    with pytest.raises(NetError, match=r"x\.pth"):
        read_state(tmp_path / "x.pth")


@pytest.mark.parametrize("name", ["torchvision/resnet18", "timm/resnet18"])
def test_a_wrapped_network_of_either_library_loads(name: str, tmp_path: Path) -> None:
    donor = nn.DataParallel(registry.build(name, 10))
    torch.save({"epoch": 1, "model": donor.state_dict()}, tmp_path / "x.pth")
    net = registry.build(name, 3)
    load_pretrained(net, str(tmp_path / "x.pth"), name)
    torch.testing.assert_close(net.conv1.weight, donor.module.conv1.weight)
