"""Graphs of networks run as the networks themselves, with BatchNorm folded, for any number of images."""

from __future__ import annotations

import json

import pytest
import timm
import torch
from torch import nn

from kit.inference.runtimes import graph_nodes, torch_runtime
from kit.nets.registry import build
from kit.packaging.graph import Graph, export_graph
from kit.packaging.runtime_files import RUNTIMES, supported_operators

NETS = [
    ("timm/resnet10t", {}, 64),
    ("timm/mobilenetv2_100", {}, 64),
    ("timm/convnext_atto", {}, 64),
    ("timm/vit_tiny_patch16_224", {"img_size": 64}, 64),
    ("kit/residual", {"width": 8, "se": True, "act": "silu"}, 32),
    ("kit/residual", {"width": 16, "norm": "group"}, 32),
    ("kit/cnn", {"size": 64, "width": 8}, 64),
    ("kit/inception_se", {"width": 8}, 75),
    ("kit/unet", {"width": 8}, 64),
]


def make(name: str, args: dict) -> nn.Module:
    """A network whose BatchNorms have something to say."""
    torch.manual_seed(0)
    net = build(name, 4, args).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.8, 1.2)
            nn.init.uniform_(module.weight, 0.8, 1.2)
    return net


def run(net: nn.Module, graph: Graph) -> nn.Module:
    """The graph as a network, by way of JSON."""
    described = json.loads(json.dumps(graph.description))
    arrays = {name: tensor.numpy().copy() for name, tensor in {**net.state_dict(), **graph.constants}.items()}
    described["nodes"] = graph_nodes.fold_batch_norms(described["nodes"], arrays)
    kept = {name: arrays[name] for name in graph_nodes.used(described["nodes"], "w")}
    kept = {name: a.astype("float32") if a.dtype.kind == "f" else a for name, a in kept.items()}
    dead = graph_nodes.last_uses(described["nodes"], described["output"])
    return torch_runtime.build(described, kept, dead, 64, 64)


@pytest.mark.parametrize(("name", "args", "size"), NETS)
def test_a_graph_computes_as_its_network_and_tensorflow_knows_it(name: str, args: dict, size: int) -> None:
    net = make(name, args)
    graph = export_graph(net, size, name)
    known = supported_operators(RUNTIMES / "tensorflow_runtime.py")
    assert {node[1] for node in graph.description["nodes"]} <= known
    ran = run(net, graph)
    for count in (1, 3):
        x = torch.randn(count, 3, size, size)
        with torch.inference_mode():
            torch.testing.assert_close(ran(x), net(x), atol=1e-4, rtol=1e-4)


def test_batch_norms_behind_convolutions_are_gone() -> None:
    net = make("timm/resnet10t", {})
    nodes = export_graph(net, 64, "r").description["nodes"]
    arrays = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    assert any(node[1] == "batch_norm.default" for node in nodes)
    assert not any(node[1] == "batch_norm.default" for node in graph_nodes.fold_batch_norms(nodes, arrays))


class Twice(nn.Module):
    """A convolution that is used besides its BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        return (self.norm(y) * 2 + y).mean((2, 3))


def test_a_convolution_that_is_used_twice_is_left_alone() -> None:
    net = Twice().eval()
    assert net.norm.running_var is not None
    net.norm.running_var.fill_(4.0)
    x = torch.randn(2, 3, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(run(net, export_graph(net, 8, "twice"))(x), net(x))


def test_values_are_dropped_after_their_last_use() -> None:
    wiring = {"a": ["x"], "b": ["a"], "c": ["a", "b"], "unused": ["c"]}
    nodes = [[name, "op", [{"n": before} for before in given], {}] for name, given in wiring.items()]
    assert graph_nodes.last_uses(nodes, "c") == [["x"], [], ["a", "b"], ["unused"]]


def test_graphs_have_the_same_json_every_time() -> None:
    texts = {json.dumps(export_graph(timm.create_model("resnet10t"), 64, "r").description) for _ in range(2)}
    assert len(texts) == 1
