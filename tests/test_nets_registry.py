import pytest
import torch

from kit.errors import NetError
from kit.nets import registry


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
