"""Where networks look: known results, every kind of network, the command and the page."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from click.testing import CliRunner
from conftest import Toy
from PIL import Image
from torch import nn

from kit.cli import group
from kit.errors import ExplainError
from kit.explain.explain import Explained
from kit.explain.heat import heat
from kit.explain.look import Look
from kit.explain.overlay import overlay
from kit.explain.sheet import write_sheet
from kit.nets.registry import build

captum = pytest.importorskip("captum", reason="needs the extra `explain`")


class Spot(nn.Module):
    """Class 1 where the image is bright: the mean of one channel, taken over places."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Conv2d(3, 2, 1, bias=False)
        with torch.no_grad():
            self.places.weight.copy_(torch.tensor([[-1.0] * 3, [1.0] * 3])[..., None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.places(x).mean(dim=(2, 3))


def test_the_map_is_the_bright_spot() -> None:
    x = torch.zeros(2, 3, 8, 8)
    x[0, :, 1:3, 5:7] = 1
    found = heat(Spot(), x, torch.tensor([1, 1]))
    assert found.shape == (2, 8, 8)
    np.testing.assert_allclose(found[0], x[0, 0].numpy())
    assert not found[1].any(), "no evidence, no heat"


NETS = ("kit/residual", "kit/unet", "resnet18", "mobilenetv2_100", "convnext_atto", "vit_tiny_patch16_224",
        "swin_tiny_patch4_window7_224", "mixer_s32_224", "densenet121")  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_every_kind_of_network_has_a_map(name: str) -> None:
    torch.manual_seed(0)
    timms = not name.startswith("kit/")
    size = {"img_size": 64} if any(word in name for word in ("vit", "swin", "mixer")) else {}
    net = timm.create_model(name, num_classes=8, **size) if timms else build(name, 8, {})
    if timms:
        nn.init.normal_(net.get_classifier().weight)  # some begin at zero, and then nothing counts
    found = heat(net, torch.randn(1, 3, 64, 64).expand(8, -1, -1, -1), torch.arange(8))
    assert found.ndim == 3
    assert len(found) == 8
    assert min(found.shape[1:]) >= 2
    assert found.min() >= 0
    assert set(found.max(axis=(1, 2)).round(5).tolist()) <= {0.0, 1.0}
    assert found.max() == pytest.approx(1.0), "an image speaks for one of eight classes at least"


def test_rollout_follows_attention_to_one_patch() -> None:
    """A block that attends to patch 5 alone passes on that patch and its own token."""
    net = timm.create_model("vit_tiny_patch16_224", num_classes=3, depth=1, embed_dim=12, num_heads=1)
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        weight, bias = net.blocks[0].attn.qkv.weight, net.blocks[0].attn.qkv.bias
        weight.zero_()
        bias.zero_()
    even = heat(net, x, torch.tensor([0]))
    np.testing.assert_allclose(even, 1.0, rtol=1e-5)
    assert all(block.attn.fused_attn for block in net.blocks), "as it was"


def test_a_network_without_places_is_refused() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(ExplainError, match="no layer has places"):
        heat(net, torch.zeros(1, 3, 2, 2), torch.tensor([0]))


def test_without_captum_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(ExplainError, match=r"pip install \"submission-kit\[explain\]\""):
        heat(Spot(), torch.zeros(1, 3, 4, 4), torch.tensor([0]))


def test_heat_shows_where_it_is_and_nowhere_else() -> None:
    image = np.full((8, 8, 3), 100, np.uint8)
    hot = np.zeros((8, 8), np.float32)
    hot[2, 3] = 1
    wanted = np.full((8, 8, 3), 25)
    wanted[2, 3] = 100
    np.testing.assert_array_equal(overlay(image, hot), wanted)


def run(*arguments: str) -> str:
    found = CliRunner().invoke(group, ["explain", *arguments, "--contest", "toy"], standalone_mode=False)
    if found.exception is not None:
        raise found.exception
    return found.stdout


def test_the_command_draws_named_images_and_the_surest_mistakes(trained: Toy) -> None:
    ids = [str(one) for one in trained.prepared().ids[:2]]
    shown = json.loads(run(*ids, "--json", "--members", "1"))
    assert [one["id"] for one in shown] == ids
    assert [len(one["looks"]) for one in shown] == [1, 1]
    with Image.open(trained.workspace.submissions / "toy-explained.png") as sheet:
        assert min(sheet.size) > 100
    with pytest.raises(ExplainError, match="no mistake to explain"):
        run()
    with pytest.raises(ExplainError, match="must be that of a training image, but got 'nobody'"):
        run("nobody")


def test_each_image_is_read_by_the_network_that_had_not_seen_it(trained: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    from kit.explain import explain as module

    read: list[str] = []
    load = module.load_net
    monkeypatch.setattr(module, "load_net", lambda spec, folder: read.append(Path(folder).name) or load(spec, folder))
    prepared = trained.prepared()
    row = int(np.flatnonzero(prepared.folds == 1)[0])
    run(str(prepared.ids[row]), "--members", "1")
    assert read == ["fold1"]


def test_classes_in_letters_that_no_font_has_are_drawn_without_a_warning(tmp_path: Path) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    found = Explained("日/1.png", 1, image, (Look("net", 0, 0.5, image),))
    write_sheet([found], ("日", "ᚠ"), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000
