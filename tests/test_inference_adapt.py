"""Adaptation to the images of a call: its arithmetic, its guard, and its way into a zip."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from kit.artefact import read_json
from kit.config import load_platform
from kit.ensemble.blend import blend
from kit.errors import ArtefactError, PackagingError
from kit.inference import adapt
from kit.inference.model import load_module
from kit.oof_store import finished_at, load_runs
from kit.packaging.adaptation import FILE, OFF, Adaptation, adapting, chosen
from kit.packaging.members import read_members
from kit.packaging.pack import package
from kit.rehearsal.checks import Surroundings
from kit.rehearsal.predicted import ADAPTED_AGREE, LABELS_AGREE, Predictions
from kit.rehearsal.reference import make_reference


def small_net() -> nn.Module:
    """Its first layer has no bias, so that BatchNorm undoes a change of scale exactly."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(6, 4)).eval()


def some_images(count: int = 32, seed: int = 1) -> Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


def entropy(net: nn.Module, x: Tensor) -> float:
    logs = net(x).log_softmax(1).detach()
    return float(-(logs.exp() * logs).sum(1).mean())


# ---------------------------------------------------------------------------------------------------- methods
def test_statistics_are_those_of_the_images_as_torch_recomputes_them() -> None:
    net, x = small_net(), some_images()
    wanted = small_net()
    update_bn([x], wanted)
    found = adapt.adapted(net, lambda: [x], "bn")
    for name, value in wanted.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value)


def test_half_of_them_lie_in_the_middle_and_the_network_itself_stays() -> None:
    net, x = small_net(), some_images()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    whole, half = (adapt.adapted(net, lambda: [x], method) for method in ("bn", "bn_half"))
    for name in ("1.running_mean", "1.running_var"):
        middle = (before[name] + whole.state_dict()[name]) / 2
        torch.testing.assert_close(half.state_dict()[name], middle)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
    assert not half.training


def test_a_change_of_scale_is_undone() -> None:
    net, x = small_net(), some_images()
    there, here = (adapt.adapted(net, lambda z=z: [z], "bn")(z) for z in (5 * x, x))
    torch.testing.assert_close(there, here, atol=1e-3, rtol=1e-3)
    assert not torch.allclose(net(5 * x), net(x), atol=1e-2)


def test_batches_count_alike_however_they_are_cut() -> None:
    net, x = small_net(), some_images(64)
    parts = adapt.adapted(net, lambda: x.split(32), "bn")
    wanted = small_net()
    update_bn(x.split(32), wanted)
    torch.testing.assert_close(parts.state_dict(), wanted.state_dict())


def test_tent_lowers_the_entropy_and_moves_scales_and_offsets_alone() -> None:
    net, x = small_net(), some_images(256)
    bn, tent = (adapt.adapted(net, lambda: [x] * 20, method) for method in ("bn", "tent"))
    assert entropy(tent, x) < entropy(bn, x)
    moved = {n for n, value in tent.state_dict().items() if not torch.equal(value, bn.state_dict()[n])}
    assert moved == {"1.weight", "1.bias"}
    assert not any(parameter.requires_grad for parameter in tent.parameters())


def test_it_works_where_gradients_are_switched_off() -> None:
    net = small_net()
    with torch.inference_mode():
        tent = adapt.adapted(net, lambda: [some_images(128)], "tent")
    assert torch.isfinite(tent(some_images())).all()


def test_a_network_without_such_statistics_stays_as_it_is() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.LayerNorm(4)).eval()
    source = np.full((9, 4), 0.25)
    for method in ("bn", "bn_half", "bn_mean", "tent"):
        assert adapt.adapted(net, lambda: [some_images()], method) is net
        found = adapt.adapted_proba(net, lambda: [some_images()], source, lambda net: 1 / 0, method, (0.25,) * 4)
        assert found is source


def test_the_mean_of_both_is_their_mean() -> None:
    source, other = np.array([[0.8, 0.2]]), np.array([[0.4, 0.6]])
    found = adapt.adapted_proba(small_net(), lambda: [some_images()], source, lambda net: other, "bn_mean", (0.5, 0.5))
    np.testing.assert_allclose(found, [[0.6, 0.4]])


def test_em_finds_the_class_shares_of_a_shifted_prior() -> None:
    rng = np.random.default_rng(0)
    trained, hidden = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.2, 0.7])
    labels = rng.choice(3, 4000, p=hidden)
    centres = 1.5 * np.eye(3)
    x = centres[labels] + rng.normal(size=(4000, 3))
    likelihood = np.exp(-((x[:, None] - centres) ** 2).sum(2) / 2)
    posterior = likelihood * trained / (likelihood * trained).sum(1, keepdims=True)
    found = adapt.corrected_prior(posterior, trained)
    wanted = likelihood * hidden / (likelihood * hidden).sum(1, keepdims=True)
    assert np.abs(found.mean(0) - hidden).max() < 0.03
    assert np.abs(found - wanted).mean() < 0.02
    assert (found.argmax(1) == labels).mean() > (posterior.argmax(1) == labels).mean() + 0.05


# ------------------------------------------------------------------------------------------------------ guard
def test_few_images_and_few_classes_are_refused() -> None:
    spread = np.full((400, 8), 1 / 8)
    one = np.full((400, 8), 0.01)
    one[:, 3] = 0.93
    assert adapt.refusal(spread) == ""
    assert "fewer than 200" in adapt.refusal(spread[:199])
    assert "classes" in adapt.refusal(one)


@pytest.mark.parametrize("refused", [True, False])
def test_the_guard_leaves_predictions_as_they_are(refused: bool) -> None:
    source = np.full((100 if refused else 400, 4), 0.25)
    said: list[str] = []
    other = np.tile([0.7, 0.1, 0.1, 0.1], (len(source), 1))
    config = {"method": "bn", "prior": (0.25,) * 4}
    found = adapt.guarded_proba(small_net(), lambda: [some_images()], source, lambda net: other, config, said.append)
    assert (found is source) == refused
    assert len(said) == refused


# ---------------------------------------------------------------------------------------------------- the zip
def decide(toy, recipe: str, method: str) -> None:
    folder = toy.workspace.run("toy", recipe)
    Adaptation(finished_at(folder), method, (1 / 3,) * 3, {}).write(folder)


def packed(toy, tmp_path: Path, **asked) -> Path:
    tmp_path.mkdir(exist_ok=True)
    made = blend(load_runs(toy.workspace, "toy", ["tiny"]), "best1")
    platform = load_platform(toy.file("platforms", "toy"))
    found = package(made, toy.contest(), toy.workspace, platform, tmp_path / "z.zip", **asked)
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(found.path) as file:
        file.extractall(folder)
    return folder


def test_a_zip_adapts_only_where_that_won_and_was_asked_for(trained, tmp_path) -> None:
    with pytest.raises(PackagingError, match="no recipe of the blend adapts"):
        packed(trained, tmp_path, adapt=True)
    decide(trained, "tiny", OFF)
    with pytest.raises(PackagingError, match="no recipe of the blend adapts"):
        packed(trained, tmp_path, adapt=True)
    decide(trained, "tiny", "bn")
    plain = packed(trained, tmp_path / "plain")
    assert not (plain / "adapt.py").exists()
    assert "adapt" not in (plain / "manifest.json").read_text()
    folder = packed(trained, tmp_path / "on", adapt=True)
    assert (folder / "adapt.py").read_text() == Path(adapt.__file__).read_text()
    manifest = read_json(folder / "manifest.json")
    assert {member["adapt"]["method"] for member in manifest["members"]} == {"bn"}
    assert manifest["runtime"] == "timm"


def test_a_rehearsal_allows_for_company_only_where_the_manifest_adapts(trained, tmp_path) -> None:
    decide(trained, "tiny", "bn")
    for name, asked in (("plain", False), ("on", True)):
        manifest = read_json(packed(trained, tmp_path / name, adapt=asked) / "manifest.json")
        assert make_reference(trained.prepared(), 4, manifest).adapts == asked
    assert not make_reference(trained.prepared(), 4).adapts


def test_what_cannot_adapt_is_refused_and_of_several_runtimes_the_one_that_can_is_taken(trained) -> None:
    decide(trained, "tiny", "bn")
    platform = load_platform(trained.file("platforms", "toy"))
    members = read_members(blend(load_runs(trained.workspace, "toy", ["tiny"]), "best1"), "toy", trained.workspace)
    with pytest.raises(PackagingError, match=r"runs torch, onnx, where no network can adapt"):
        adapting(members, platform.model_copy(update={"runtimes": ("torch", "onnx")}))
    found, narrowed = adapting(members, platform.model_copy(update={"runtimes": ("torch", "timm")}))
    assert narrowed.runtimes == ("timm",)
    assert all(one.weights == other.weights for one, other in zip(found, members, strict=True))
    assert not any("adapt" in member.entry for member in members)


def shifted_copies(toy, count: int) -> np.ndarray:
    images = toy.prepared().images[np.arange(count) % len(toy.prepared().images)].astype(np.float32)
    return (images * 0.9).astype(np.uint8)


def test_many_images_are_adapted_to_and_few_are_not(trained, tmp_path, capsys) -> None:
    plain = load_module(str(packed(trained, tmp_path / "plain") / "model.py")).Model()
    decide(trained, "tiny", "bn")
    changing = load_module(str(packed(trained, tmp_path / "on", adapt=True) / "model.py")).Model()
    X = shifted_copies(trained, 240)
    assert np.array_equal(changing.predict_proba(X[:60]), plain.predict_proba(X[:60]))
    assert "not adapted: 60 images" in capsys.readouterr().err
    both = changing.predict_proba(X), plain.predict_proba(X)
    assert both[0].shape == (240, 3)
    assert np.abs(both[0] - both[1]).max() > 1e-3
    np.testing.assert_allclose(both[0].sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(changing.member_logits(X, 0), plain.member_logits(X, 0))
    assert changing.predict(X[:0]).shape == (0,)


def test_a_decision_for_a_run_that_was_made_anew_is_stale(trained) -> None:
    folder = trained.workspace.run("toy", "tiny")
    Adaptation(1.0, "bn", (1 / 3,) * 3, {}).write(folder)
    assert chosen(folder) is None
    (folder / FILE).write_text('{"method": "bn"}')
    with pytest.raises(ArtefactError, match="kit adapt tiny --contest toy"):
        chosen(folder)


def batches_of(x: Tensor) -> Iterator[Tensor]:
    yield from x.split(8)


def test_images_may_come_from_a_generator_that_is_made_anew() -> None:
    x = some_images(64)
    found = adapt.adapted(small_net(), lambda: batches_of(x), "tent")
    assert torch.isfinite(found(x)).all()


@pytest.mark.parametrize(("agree", "passes"), [(LABELS_AGREE, False), (ADAPTED_AGREE, True)])
def test_company_may_change_some_labels_of_an_adapting_zip_in_its_rehearsal(tmp_path, agree, passes) -> None:
    wanted = np.arange(96) % 8
    said = wanted.copy()
    said[:5] += 1
    np.save(tmp_path / "some.npy", said)
    predicted = Predictions({"some": {"seconds": 1.0}}, tmp_path, Surroundings((), "Model", ()), agree)
    check = predicted.same("some", "company", wanted, "why")
    assert check.passed == passes
    assert "91 of 96" in check.figure
