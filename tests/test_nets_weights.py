"""Where `pretrained = true` finds weights, and `kit weights`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import timm
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from kit.cli import group
from kit.config import NetConfig, RecipeConfig, list_names, load_recipe
from kit.errors import NetError
from kit.nets import registry
from kit.nets.pretrained import load_pretrained
from kit.nets.weights import hub
from kit.nets.weights.files import read_hints
from kit.nets.weights.needs import check_weights, completed, library_names
from kit.nets.weights.packages import PACKAGES
from kit.nets.weights.search import find_weights, locate
from kit.train.member import member_spec

NAME = "timm/mobilenetv2_035"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without weights and network; its folder, in which KIT_WEIGHTS names `given`."""
    (tmp_path / "given").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KIT_WEIGHTS", str(tmp_path / "given"))
    monkeypatch.setattr(hub, "responds", lambda name: False)
    monkeypatch.setattr(hub.huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


def donor(path: Path, name: str = NAME, **metadata: str) -> torch.nn.Module:
    """A network whose weights lie in `path`."""
    net = registry.build(name, 10)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file(dict(net.state_dict()), path, metadata)
    else:
        torch.save(net.state_dict(), path)
    return net


@pytest.mark.parametrize("file", ["mobilenetv2_035.safetensors", "mobilenetv2_035.pth", "mobilenetv2_035.bin"])
@pytest.mark.parametrize("folder", ["given", "weights"])
def test_true_takes_the_users_file_that_bears_the_networks_name(alone: Path, folder: str, file: str) -> None:
    given = donor(alone / folder / file)
    net = registry.build(NAME, 3)
    said = load_pretrained(net, True, NAME)
    torch.testing.assert_close(net.conv_stem.weight, given.conv_stem.weight)
    assert file in said
    assert str(alone / folder) in said


def test_a_name_with_a_tag_finds_its_own_file_first_then_the_networks(alone: Path) -> None:
    tagged = "timm/inception_v3.tf_in1k"
    with pytest.raises(NetError, match="no weights found"):
        locate(tagged)
    plain = alone / "given/inception_v3.safetensors"
    save_file({"x": torch.zeros(1)}, plain)
    assert locate(tagged).path == plain
    own = alone / "given/inception_v3.tf_in1k.safetensors"
    save_file({"x": torch.zeros(1)}, own)
    assert locate(tagged).path == own
    assert locate("timm/inception_v3").path == plain
    plain.unlink()
    with pytest.raises(NetError):
        locate("timm/inception_v3")  # timm's name without a tag stands for other weights
    default = alone / "given/inception_v3.tv_in1k.safetensors"
    shutil.move(own, default)
    assert locate("timm/inception_v3").path == default


def test_weights_that_are_nowhere_are_an_error_that_names_the_ways(alone: Path) -> None:
    net = registry.build(NAME, 3)
    before = net.conv_stem.weight.clone()
    with pytest.raises(NetError) as caught:
        load_pretrained(net, True, NAME)
    for way in ("mobilenetv2_035", str(alone / "given"), "kit weights --fetch", "KIT_WEIGHTS", "[weights]", "false"):
        assert way in str(caught.value), way
    torch.testing.assert_close(net.conv_stem.weight, before)
    for net_config in (NetConfig(name=NAME, pretrained=True), NetConfig(name=NAME, pretrained="no.pth")):
        with pytest.raises(NetError):
            check_weights(net_config)
    check_weights(NetConfig(name=NAME))


def test_a_network_of_which_no_hub_holds_weights_is_refused() -> None:
    with pytest.raises(NetError, match="no such weights. Known: resnet14t"):
        locate("timm/resnet14t.no_such_tag")
    with pytest.raises(NetError, match="the hub holds none"):
        locate(NAME)
    with pytest.raises(NetError, match="no hub holds"):
        load_pretrained(registry.build("timm/resnet10t", 3), True, "kit/residual")


def test_the_folder_beside_the_checkout_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KIT_WEIGHTS")
    with pytest.raises(NetError):
        find_weights("mobilenetv2_100.safetensors")
    with pytest.raises(NetError):
        locate("timm/mobilenetv2_100")


def test_the_hubs_cache_is_found(alone: Path) -> None:
    snapshot = alone / "cache/models--timm--resnet18.a1_in1k/snapshots/abc"
    given = donor(snapshot / "model.safetensors", "timm/resnet18")
    (alone / "cache/models--timm--resnet18.a1_in1k/refs").mkdir()
    (alone / "cache/models--timm--resnet18.a1_in1k/refs/main").write_text("abc")
    found = locate("timm/resnet18")
    assert (found.path, found.where) == (snapshot / "model.safetensors", "the hub's cache")
    assert given is not None
    cached = alone / "torch/hub/checkpoints/resnet18-f37072fd.pth"
    donor(cached, "torchvision/resnet18")
    assert locate("torchvision/resnet18").path == cached


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_an_installed_package_gives_its_weights(name: str) -> None:
    package = PACKAGES[name]
    path = package.path()
    if path is None:
        pytest.skip(f"{package.distribution} is not installed")
    net = registry.build(f"timm/{name}", 1000)
    said = load_pretrained(net, True, f"timm/{name}")
    assert package.distribution in said
    state = torch.load(path, weights_only=True)
    torch.testing.assert_close(net.conv_stem.weight, state["_conv_stem.weight"])
    torch.testing.assert_close(net.bn2.running_var, state["_bn1.running_var"])
    torch.testing.assert_close(net.classifier.bias, state["_fc.bias"])
    other = registry.build(f"timm/{name}", 3)
    load_pretrained(other, True, f"timm/{name}.in1k")
    torch.testing.assert_close(other.conv_head.weight, net.conv_head.weight)


def test_a_package_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = PACKAGES["tf_efficientnet_lite0"]
    if wrong.path() is None:
        pytest.skip("the extra `weights` is not installed")
    monkeypatch.setitem(PACKAGES, "tf_efficientnet_lite1", wrong)  # type: ignore[misc]
    name = "timm/tf_efficientnet_lite1"
    with pytest.raises(NetError, match="tensors are not the network's"):
        load_pretrained(registry.build(name, 3), True, name)


def test_padding_and_normalisation_come_from_the_file_unless_the_recipe_says(alone: Path) -> None:
    said = {"mean": "0.5,0.5,0.5", "std": "0.25,0.25,0.25", "pad_type": "same"}
    donor(alone / "given/mobilenetv2_035.safetensors", **said)
    plain = RecipeConfig(net=NetConfig(name=NAME, pretrained=True), size=64)
    spec = member_spec(plain, 3)
    assert (spec["mean"], spec["std"], spec["net"]["args"]) == ([0.5] * 3, [0.25] * 3, {"pad_type": "same"})
    own = completed(NetConfig(name=NAME, pretrained=True, mean=(0.1, 0.2, 0.3)))
    assert (own.mean, own.std) == ((0.1, 0.2, 0.3), (0.25,) * 3)
    named = completed(NetConfig(name=NAME, pretrained="mobilenetv2_035.safetensors"))
    assert (named.args, named.mean) == ({"pad_type": "same"}, (0.5,) * 3)
    scratch = NetConfig(name=NAME)
    assert completed(scratch) == scratch
    trunk = completed(NetConfig(name="kit/grafted", args={"backbones": ["mobilenetv2_035"]}, pretrained=True))
    assert trunk.args["backbone_args"] == [{"pad_type": "same"}]
    assert trunk.mean == (0.5,) * 3
    recipe = RecipeConfig(net=trunk, size=64)
    net = registry.build("kit/grafted", 3, member_spec(recipe, 3)["net"]["args"])
    load_pretrained(net, True, "kit/grafted", trunk.args)


def test_no_recipe_names_a_file() -> None:
    for name in list_names("recipes"):
        net = load_recipe(name).net
        assert isinstance(net.pretrained, bool), name
        if net.pretrained:
            assert all(one.startswith(("timm/", "torchvision/")) for one in library_names(net))


# ------------------------------------------------------------------------------------------------------ kit weights
def weights(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(group, ["weights", *arguments], catch_exceptions=True)
    return result.exit_code, result.stdout + str(result.exception or "")


def test_the_command_lists_each_weights_once_with_its_recipes(alone: Path) -> None:
    donor(alone / "given/mobilenetv2_100.safetensors", "timm/mobilenetv2_100")
    code, text = weights("mobilenetv2_96", "study2_mobilenetv2", "study2_hybrid", "residual_64", "--json")
    assert code == 0
    rows = json.loads(text)
    assert [row["weights"] for row in rows] == ["timm/mobilenetv2_100", "timm/inception_v3", "timm/legacy_xception"]
    assert rows[0]["recipes"] == ["mobilenetv2_96", "study2_mobilenetv2"]
    assert (rows[0]["found"], rows[0]["file"]) == (str(alone / "given"), "mobilenetv2_100.safetensors")
    assert rows[1]["found"] == "NOT FOUND"
    assert "trained from scratch" in weights("residual_64")[1]
    assert "kit weights --fetch" in weights("study2_hybrid")[1].replace("\n", " ")


def test_fetch_gathers_what_another_machine_then_finds(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    donor(alone / "given/mobilenetv2_100.safetensors", "timm/mobilenetv2_100", pad_type="same")
    cached = alone / "cache/models--timm--resnet50.a1_in1k"
    donor(cached / "snapshots/abc/model.safetensors", "timm/resnet50")
    (cached / "refs").mkdir()
    (cached / "refs/main").write_text("abc")
    code, text = weights("mobilenetv2_96", "study3_resnet50", "study2_vgg16", "--fetch", "carried")
    assert code != 0
    assert "timm/vgg16" in text
    shutil.rmtree(cached)
    shutil.rmtree(alone / "given")
    monkeypatch.setenv("KIT_WEIGHTS", str(alone / "carried"))
    assert {path.name for path in (alone / "carried").iterdir()} == {
        "mobilenetv2_100.safetensors",
        "resnet50.safetensors",
    }
    assert completed(NetConfig(name="timm/mobilenetv2_100", pretrained=True)).args == {"pad_type": "same"}
    load_pretrained(registry.build("timm/resnet50", 3), True, "timm/resnet50")


def test_fetch_keeps_a_packages_normalisation(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "timm/tf_efficientnet_lite0"
    package = PACKAGES["tf_efficientnet_lite0"]
    if package.path() is None:
        pytest.skip("the extra `weights` is not installed")
    recipe = alone / "lite.toml"
    recipe.write_text(f'size = 64\n[net]\nname = "{name}"\npretrained = true\n')
    assert weights(str(recipe), "--fetch", "carried")[0] == 0
    path = alone / "carried/tf_efficientnet_lite0.safetensors"
    assert read_hints(path).mean == (0.5,) * 3
    assert load_file(path).keys() <= timm.create_model("tf_efficientnet_lite0").state_dict().keys()
    monkeypatch.setenv("KIT_WEIGHTS", str(alone / "carried"))
    assert locate(name).path == path
