from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from kit.errors import NetError
from kit.nets import registry
from kit.nets.heads import pooled_features
from kit.nets.pretrained import load_pretrained
from kit.nets.weights.files import read_hints, read_state
from kit.nets.weights.search import find_weights

ARGS = {"width": 8, "depth": [1, 1]}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    net = registry.build("kit/residual", 5, ARGS)
    path = tmp_path / "net.safetensors"
    save_file({key: value.contiguous() for key, value in net.state_dict().items()}, path)
    return path


def test_a_local_file_gives_the_same_features_and_keeps_another_head(saved: Path):
    net = registry.build("kit/residual", 3, ARGS)
    head = net.head.weight.clone()
    load_pretrained(net, str(saved), "kit/residual", ARGS)
    twin = registry.build("kit/residual", 5, ARGS)
    load_pretrained(twin, str(saved), "kit/residual", ARGS)
    x = torch.randn(2, 3, 32, 32)
    same = pooled_features(net.eval(), x), pooled_features(twin.eval(), x)
    torch.testing.assert_close(*same)
    torch.testing.assert_close(net.head.weight, head)
    torch.testing.assert_close(twin.head.weight, read_state(saved)["head.weight"])


def test_another_networks_file_is_refused(saved: Path):
    net = registry.build("kit/residual", 3, {"width": 16, "depth": [1, 1]})
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(NetError, match=r"lacks \d+ of the network's .* another network's"):
        load_pretrained(net, str(saved), "kit/residual", {})
    for key, value in net.state_dict().items():
        torch.testing.assert_close(value, before[key])


def test_a_missing_file_names_the_ways_to_have_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KIT_WEIGHTS", str(tmp_path))
    with pytest.raises(NetError, match=r"(?s)pretrained = true.*safetensors.*false"):
        find_weights("nowhere.safetensors")


def test_a_bare_name_is_found_in_kit_weights(saved: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KIT_WEIGHTS", str(saved.parent))
    assert find_weights("net.safetensors") == saved


def test_a_broken_file_is_named(tmp_path: Path):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"not weights")
    with pytest.raises(NetError, match=r"broken\.safetensors: not a readable weights file"):
        load_pretrained(registry.build("kit/residual", 3, ARGS), str(path), "kit/residual", ARGS)


def test_hub_for_a_network_without_hub_weights_is_refused():
    with pytest.raises(NetError, match="no hub holds weights of it"):
        load_pretrained(registry.build("kit/residual", 3, ARGS), True, "kit/residual", ARGS)


def test_a_hub_that_fails_is_an_error_not_a_random_start(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host")

    net = registry.build("timm/resnet18", 3)
    monkeypatch.setattr("kit.nets.weights.hub.responds", lambda name: True)
    monkeypatch.setattr("kit.nets.weights.hub.timm.create_model", refuse)
    with pytest.raises(NetError, match=r"no weights from the hub \(ConnectionError: no route"):
        load_pretrained(net, True, "timm/resnet18")


def test_metadata_gives_normalisation_and_padding_must_agree(tmp_path: Path):
    donor = registry.build("timm/mobilenetv2_035", 10)
    path = tmp_path / "m.safetensors"
    said = {"mean": "0.5,0.5,0.5", "std": "0.25,0.25,0.25", "pad_type": "same"}
    save_file(dict(donor.state_dict()), path, metadata=said)
    hints = read_hints(path)
    assert hints.mean == (0.5, 0.5, 0.5)
    assert hints.std == (0.25, 0.25, 0.25)
    with pytest.raises(NetError, match="pad_type = 'same'"):
        load_pretrained(registry.build("timm/mobilenetv2_035", 3), str(path), "timm/mobilenetv2_035")
    args = {"pad_type": "same"}
    net = registry.build("timm/mobilenetv2_035", 3, args)
    load_pretrained(net, str(path), "timm/mobilenetv2_035", args)
    torch.testing.assert_close(net.conv_stem.weight, donor.conv_stem.weight)


def test_position_embeddings_are_resized_to_another_input_size(tmp_path: Path):
    name = "timm/vit_tiny_patch16_224"
    donor = registry.build(name, 10, {"img_size": 64})
    path = tmp_path / "vit.safetensors"
    save_file(dict(donor.state_dict()), path)
    args = registry.with_size(name, {}, 48)
    net = registry.build(name, 3, args)
    load_pretrained(net, str(path), name, args)
    assert net.pos_embed.shape[1] == 10
    torch.testing.assert_close(net.blocks[0].attn.qkv.weight, donor.blocks[0].attn.qkv.weight)


def test_a_hybrid_takes_one_file_a_backbone(tmp_path: Path):
    backbones = ["mobilenetv2_035", "resnet18"]
    donors = [registry.build(f"timm/{name}", 10) for name in backbones]
    for name, donor in zip(backbones, donors, strict=True):
        save_file(dict(donor.state_dict()), tmp_path / f"{name}.safetensors")
    args = {"backbones": backbones, "hidden": 8}
    net = registry.build("hybrid", 3, args)
    files = [str(tmp_path / f"{name}.safetensors") for name in backbones]
    load_pretrained(net, files, "hybrid", args)
    torch.testing.assert_close(net.branches[0].conv_stem.weight, donors[0].conv_stem.weight)
    torch.testing.assert_close(net.branches[1].layer4[1].conv2.weight, donors[1].layer4[1].conv2.weight)
    with pytest.raises(NetError, match="one file a backbone, but got 3 for 2"):
        load_pretrained(net, [*files, files[0]], "hybrid", args)
