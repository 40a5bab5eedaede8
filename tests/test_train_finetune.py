import pytest
import torch
from torch import nn

from kit.config import FinetuneConfig, TrainConfig
from kit.nets import registry
from kit.train.finetune import (
    first_learning_layer,
    head_names,
    head_penalty,
    layer_indices,
    parameter_groups,
    train_mode,
)
from kit.train.optimiser import make_optimizer

NAMES = ["kit/residual", "timm/mobilenetv2_035", "timm/vit_tiny_patch16_224", "torchvision/resnet18"]


@pytest.mark.parametrize("name", NAMES)
def test_layers_run_from_the_input_to_the_head(name):
    net = registry.build(name, 3)
    indices = layer_indices(net)
    assert set(indices) == {key for key, _ in net.named_parameters()}
    assert sorted(set(indices.values())) == list(range(max(indices.values()) + 1))
    assert indices[next(key for key, value in net.named_parameters() if value.ndim == 4)] == 0
    assert {key for key, index in indices.items() if index == max(indices.values())} == set(head_names(net))
    assert max(indices.values()) >= 3


def learning(net: nn.Module) -> set[str]:
    return {name for name, parameter in net.named_parameters() if parameter.requires_grad}


def test_the_head_alone_then_the_last_block_then_nothing_more():
    net = registry.build("kit/residual", 3)
    config = FinetuneConfig(frozen=0.5, blocks=1)
    train_mode(net, config, 0.49)
    assert learning(net) == {"head.weight", "head.bias"}
    train_mode(net, config, 0.5)
    assert {name.split(".")[0] for name in learning(net)} == {"blocks", "head"}
    assert all(name.startswith(("blocks.2", "head")) for name in learning(net))


def test_gradual_unfreezing_lets_layers_go_one_by_one_to_the_first():
    config = FinetuneConfig(frozen=0.2, gradual=True)
    firsts = [first_learning_layer(config, 5, step / 100) for step in range(100)]
    assert firsts[:20] == [4] * 20
    assert sorted(set(firsts), reverse=True) == [4, 3, 2, 1, 0]
    assert firsts == sorted(firsts, reverse=True)


def test_by_default_everything_learns():
    net = registry.build("kit/residual", 3)
    train_mode(net, FinetuneConfig(), 0.0)
    assert learning(net) == {name for name, _ in net.named_parameters()}
    assert first_learning_layer(FinetuneConfig(), 5, 0.0) == 0


def step(net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    net(torch.randn(4, 3, 32, 32)).square().mean().backward()
    optimizer.step()


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop", "lion"])
def test_frozen_layers_and_their_statistics_do_not_move(optimizer):
    net = registry.build("kit/residual", 3)
    made = make_optimizer(net, TrainConfig(optimizer=optimizer, lr=1e-3, weight_decay=0.1))
    train_mode(net, FinetuneConfig(frozen=1.0), 0.3)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    step(net, made)
    moved = {key for key, value in net.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == {"head.weight", "head.bias"}
    train_mode(net, FinetuneConfig(frozen=0.2), 0.3)
    step(net, made)
    assert not torch.equal(net.stem[0].weight, before["stem.0.weight"])


def test_frozen_batchnorm_keeps_its_statistics_while_its_layers_learn():
    net = registry.build("kit/residual", 3)
    train_mode(net, FinetuneConfig(bn="frozen"), 0.0)
    before = net.stem[1].running_mean.clone()
    net(torch.randn(4, 3, 32, 32))
    torch.testing.assert_close(net.stem[1].running_mean, before)
    assert net.stem[1].weight.requires_grad


def test_rates_fall_with_the_distance_from_the_head():
    net = registry.build("kit/residual", 3)
    config = FinetuneConfig(body_lr=0.5, layer_decay=0.1)
    groups = parameter_groups(net, 1.0, 0.05, config)
    rate = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    assert rate[id(net.head.weight)] == 1.0
    assert rate[id(net.blocks[2].conv1[0].weight)] == pytest.approx(0.05)
    assert rate[id(net.stem[0].weight)] == pytest.approx(0.5 * 0.1**4)
    assert len(rate) == len(list(net.parameters()))


def test_biases_and_norms_are_not_decayed():
    net = registry.build("timm/vit_tiny_patch16_224", 3)
    groups = parameter_groups(net, 1.0, 0.05, FinetuneConfig())
    decayed = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
    assert id(net.blocks[0].attn.qkv.weight) in decayed
    assert not {id(net.pos_embed), id(net.cls_token), id(net.norm.weight), id(net.head.bias)} & decayed


def test_head_penalty_is_kerass_l1_l2():
    net = registry.build("kit/residual", 3)
    weight = net.head.weight
    expected = 0.1 * weight.abs().sum() + 0.2 * weight.square().sum()
    torch.testing.assert_close(head_penalty(net, 0.1, 0.2), expected)
