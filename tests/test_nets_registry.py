import pytest
import timm
import torch

from kit.errors import NetError
from kit.nets import registry
from kit.nets.heads import pooled_features
from kit.train.finetune import head_names, layer_indices


def test_near_name_is_suggested():
    with pytest.raises(NetError, match="kit/residual"):
        registry.build("kit/residul", 4)
    with pytest.raises(NetError, match="timm/resnet50"):
        registry.build("timm/resnet5O", 4)


def test_unknown_argument_is_named():
    with pytest.raises(NetError, match="widht"):
        registry.build("kit/residual", 4, {"widht": 8})


def test_reserved_argument_is_refused():
    with pytest.raises(NetError, match="pretrained"):
        registry.build("timm/resnet18", 4, {"pretrained": True})


def test_wrong_option_names_the_options():
    with pytest.raises(NetError, match="batch, group"):
        registry.build("kit/residual", 4, {"norm": "layer"})


def test_size_below_the_minimum_is_refused_with_the_minimum():
    assert registry.min_size("timm/inception_v3") == 75
    with pytest.raises(NetError, match="75 px or more, but got size = 64"):
        registry.with_size("timm/inception_v3", {}, 64)


def test_fixed_size_networks_are_built_for_the_size():
    args = registry.with_size("timm/vit_tiny_patch16_224", {}, 48)
    assert args == {"img_size": 48}
    net = registry.build("timm/vit_tiny_patch16_224", 3, args).eval()
    assert net(torch.zeros(1, 3, 48, 48)).shape == (1, 3)


def test_describe_gives_the_networks_own_normalisation():
    assert registry.describe("timm/inception_v3").mean == (0.5, 0.5, 0.5)
    assert registry.describe("timm/resnet50").mean == registry.IMAGENET_MEAN
    assert registry.describe("kit/residual").files == ("residual.py",)


def test_a_wrong_tag_names_the_known_ones():
    with pytest.raises(NetError, match=r"no such weights. Known: .*resnet50\.a1_in1k"):
        registry.describe("timm/resnet50.nowhere")


@pytest.mark.parametrize("name", ["torchvision/googlenet", "torchvision/inception_v3"])
def test_auxiliary_classifiers_are_left_out(name):
    args = registry.with_size(name, {}, 96)
    assert registry.build_on_meta(name, args).train()(torch.empty(2, 3, 96, 96, device="meta")).shape == (2, 2)


def test_hybrids_tell_each_backbone_the_size_it_needs():
    args = {"backbones": ["resnet18", "vit_tiny_patch16_224"]}
    completed = registry.with_size("hybrid", args, 64)
    assert completed["backbone_args"] == [{}, {"img_size": 64}]
    assert registry.build_on_meta("hybrid", completed)(torch.empty(1, 3, 64, 64, device="meta")).shape == (1, 2)


def test_networks_whose_constructors_compute_with_tensors_are_described_too():
    check_on_meta("torchvision/regnet_y_400mf")
    with pytest.raises(NetError, match="cannot be built with args"):
        registry.build_on_meta("torchvision/regnet_y_400mf", {"depth": 3})


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.torchvision_names())
def test_every_network_of_torchvision_gives_logits_and_features(name):
    check_on_meta(f"torchvision/{name}")


@pytest.mark.slow
@pytest.mark.parametrize("name", timm.list_models(exclude_filters=["*giant*", "*7b*", "*_huge*", "*enormous*"])[::25])
def test_a_sample_of_timm_gives_logits_and_features(name):
    check_on_meta(f"timm/{name}")


def check_on_meta(name: str) -> None:
    size = registry.describe(name).input_size
    net = registry.build_on_meta(name, registry.with_size(name, {}, size))
    x = torch.empty(2, 3, size, size, device="meta")
    assert net(x).shape == (2, 2)
    assert pooled_features(net, x).ndim == 2
    indices = layer_indices(net)
    assert {key for key, index in indices.items() if index == max(indices.values())} == set(head_names(net))


@pytest.mark.parametrize("channels", [1, 4])
def test_a_network_of_other_channels_is_told_so_and_not_sent_to_another_size(channels: int) -> None:
    with pytest.raises(NetError, match=f"takes images of {channels} channels .* the kit gives every network 3"):
        registry.with_size("timm/resnet18", {"in_chans": channels}, 224)
