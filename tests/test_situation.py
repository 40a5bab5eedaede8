from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Toy
from safetensors.torch import save_file

from kit.config import AugmentConfig, PolicyConfig, RecipeConfig, load_recipe
from kit.data.prepared import prepare
from kit.inference.model import VIEWS, apply_view
from kit.situation.expectation import expectation
from kit.situation.probe import probe
from kit.situation.recipes import default_recipes
from kit.situation.resolve import resolved
from kit.situation.settled import settled, situation_path
from kit.situation.situation import Situation, find_situation
from kit.situation.symmetries import SUBGROUPS, largest_subgroup
from kit.situation.verdict import Allowed, allowed
from kit.train.augment.policy import augment

SIDE = 32
QUIET = lambda line: None  # noqa: E731


def scenes(count: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Things that stand on a dark ground under a bright sky, left or right alike: classes differ in height."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % classes
    images = np.full((count, SIDE, SIDE, 3), 220)
    images[:, 22:] = 60
    for image, label in zip(images, labels):
        left, wide = rng.integers(2, 20), rng.integers(6, 10)
        image[22 - 4 - 4 * label : 22, left : left + wide] = 20 + 40 * rng.integers(0, 3)
    return noisy(images, rng), labels


def blobs(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Discs seen from above, of three sizes, anywhere: no side is up."""
    rng, place = np.random.default_rng(1), np.indices((SIDE, SIDE))
    labels = np.arange(count) % 3
    images = np.full((count, SIDE, SIDE, 3), 200)
    for image, label in zip(images, labels):
        centre = rng.integers(12, 20, 2)
        image[np.hypot(*(place - centre[:, None, None])) < 3 + 3 * label] = 90
    return noisy(images, rng), labels


def arrows(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Arrows that point left or right."""
    rng = np.random.default_rng(2)
    labels = np.arange(count) % 2
    images = np.full((count, SIDE, SIDE, 3), 200)
    for image, label in zip(images, labels):
        top, left = rng.integers(11, 19), rng.integers(5, 11)
        image[top : top + 2, left : left + 16] = 30
        for step in range(6):
            column = left + step if label == 0 else left + 15 - step
            image[top - step : top + step + 2, column] = 30
    return noisy(images, rng), labels


def turned_pairs(count: int) -> tuple[np.ndarray, np.ndarray]:
    """A hook, and the same hook upside down, as 6 and 9; among two classes that have every symmetry."""
    rng = np.random.default_rng(3)
    labels = np.arange(count) % 4
    images = np.full((count, SIDE, SIDE, 3), 200)
    for number, label in enumerate(labels):
        hook = np.full((SIDE, SIDE), 200)
        top = rng.integers(2, 8)
        if label < 2:
            hook[top : top + 18, 8:12] = hook[top + 14 : top + 18, 8:22] = 20
            hook = np.rot90(hook, 2) if label else hook
        else:
            hook[6 + 4 * (label - 2) : 26 - 4 * (label - 2), 6 + 4 * (label - 2) : 26 - 4 * (label - 2)] = 90
        images[number] = hook[:, :, None]
    return noisy(images, rng), labels


def noisy(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(images + rng.normal(0, 15, images.shape), 0, 255).astype(np.uint8)


def test_things_that_stand_upright_may_be_mirrored_and_not_turned() -> None:
    found = allowed(probe(*scenes(400)))
    assert found.symmetries == ("identity", "hflip")


def test_things_without_an_upper_side_may_have_all_symmetries() -> None:
    assert set(allowed(probe(*blobs(400))).symmetries) == set(VIEWS)


def test_left_and_right_are_not_mirrored() -> None:
    found = probe(*arrows(300))
    by_name = {one.change: one for one in found.evidence}
    assert by_name["hflip"].collapsed is not None
    assert not {"hflip", "rot180"} & set(allowed(found).symmetries)


def test_two_classes_that_turn_into_each_other_forbid_the_turn_for_all() -> None:
    assert "rot180" not in allowed(probe(*turned_pairs(400))).symmetries


@pytest.mark.parametrize("rows", [20, 400])
def test_labels_that_are_not_found_allow_no_symmetry(rows: int) -> None:
    rng = np.random.default_rng(0)
    found = probe(rng.integers(0, 255, (rows, 16, 16, 3), dtype=np.uint8), rng.integers(0, 4, rows))
    assert not found.evidence
    assert allowed(found).symmetries == ("identity",)


def test_a_rare_class_is_asked_about_too() -> None:
    """With 30 rows to one, predicting the common class throughout is as good as seeing what things look like."""
    images, labels = scenes(1800, 2)
    rows = np.append(np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[:60])
    found = probe(images[rows], labels[rows])
    assert (found.rows, found.chance) == (120, 0.5)
    assert found.accuracy > 0.9
    assert "vflip" not in allowed(found).symmetries


def test_classes_of_one_row_do_not_stop_the_probe() -> None:
    images, labels = scenes(200)
    labels = labels.copy()
    labels[0] = 9
    assert probe(images, labels).evidence


def test_subgroups_hold_every_product_of_theirs() -> None:
    square = torch.arange(9.0).view(1, 1, 3, 3)
    seen = {tuple(apply_view(square, name).flatten().tolist()): name for name in VIEWS}
    for group in SUBGROUPS:
        for first in group:
            for second in group:
                both = apply_view(apply_view(square, first), second)
                assert seen[tuple(both.flatten().tolist())] in group
    assert largest_subgroup(["hflip", "rot90"]) == ("identity", "hflip")


def situation(expects: str, symmetries: tuple[str, ...]) -> Situation:
    found = probe(*scenes(8))
    return Situation(expects, "", Allowed(symmetries, 10.0, 0.5, 0.2), found)  # type: ignore[arg-type]


def recipe(**values: object) -> RecipeConfig:
    return RecipeConfig.model_validate({"name": "r", "size": 16, "net": {"name": "kit/residual"}} | values)


def test_clean_means_mild_and_shifted_means_strong_both_without_denied_symmetries() -> None:
    flip = ("identity", "hflip")
    clean = resolved(recipe(), situation("clean", flip), 100)
    assert (clean.augment.preset, clean.augment.symmetries, clean.views) == ("mild", flip, flip)
    assert (clean.augment.rotate, clean.augment.crop, clean.augment.colour) == (10.0, 0.5, 0.2)
    strong = resolved(recipe(), situation("shifted", flip), 100)
    assert (strong.augment.preset, strong.augment.symmetries, strong.views) == ("strong", flip, flip)
    assert strong.augment.rotate is not None
    assert strong.augment.rotate <= 30
    every = resolved(recipe(), situation("shifted", VIEWS), 100)
    assert (every.augment.rotate, every.views) == (180.0, ("identity", "transpose"))


def test_what_a_recipe_says_stays() -> None:
    said = recipe(views=["vflip"], augment={"preset": "strong", "symmetries": ["identity", "vflip"], "rotate": 3.0})
    assert resolved(said, situation("clean", VIEWS), 100) == said
    plain = resolved(recipe(augment={"preset": "none"}), situation("clean", VIEWS), 100)
    assert (plain.augment.preset, plain.views) == ("none", ("identity",))


def test_epochs_follow_steps() -> None:
    asked = recipe(train={"steps": 1000, "batch_size": 50})
    assert resolved(asked, situation("clean", VIEWS), 5000).train.epochs == 10
    assert resolved(asked, situation("clean", VIEWS), 100).train.epochs == 120
    assert resolved(asked, situation("clean", VIEWS), 10**6).train.epochs == 8
    assert resolved(asked, situation("clean", VIEWS), 5000).train.steps == 0


def test_mild_draws_only_what_is_allowed() -> None:
    x = torch.rand(1, 3, 16, 16).expand(64, -1, -1, -1)
    flips = AugmentConfig(preset="mild", symmetries=("identity", "hflip"), rotate=0.0, crop=1.0, colour=0.0)
    out = augment(x, flips, torch.Generator().manual_seed(0))
    mirrored = [torch.equal(one, x[0].flip(2)) for one in out]
    assert 0 < sum(mirrored) < 64
    assert all(torch.equal(one, x[0]) for one, mirror in zip(out, mirrored) if not mirror)


def test_a_contest_is_found_once_printed_and_may_overrule(toy: Toy) -> None:
    contest = toy.contest().model_copy(update={"expects": "auto"})
    prepared = prepare(contest, toy.data, toy.workspace, QUIET)
    said: list[str] = []
    found = find_situation(contest, prepared, toy.workspace, said.append)
    assert found.expects == "clean"
    assert "A BET" in said[-1]
    assert settled(contest, toy.workspace).expects == "clean"
    path = situation_path(toy.workspace, contest)
    before = path.stat().st_mtime_ns
    assert find_situation(settled(contest, toy.workspace), prepared, toy.workspace) == found
    assert path.stat().st_mtime_ns == before
    fixed = contest.model_copy(update={"policy": PolicyConfig(symmetries=("identity", "vflip"), rotate=3.0)})
    assert find_situation(fixed, prepared, toy.workspace).allowed.symmetries == ("identity", "vflip")
    assert find_situation(fixed, prepared, toy.workspace).allowed.rotate == 3.0


@pytest.mark.parametrize(("change", "expects"), [(0, "clean"), (90, "shifted")])
def test_test_images_decide(toy: Toy, change: int, expects: str) -> None:
    with np.load(toy.data) as stored:
        images = stored["images"]
    rng = np.random.default_rng(5)
    held = np.clip(rng.permutation(images).astype(int) + change, 0, 255).astype(np.uint8)
    np.savez(toy.root / "test.npz", images=held)
    contest = toy.contest()
    data = contest.data.model_copy(update={"test": str(toy.root / "test.npz")})
    contest = contest.model_copy(update={"data": data, "expects": "auto"})
    found, why = expectation(contest, images, toy.workspace)
    assert found == expects
    assert "AUC" in why
    assert expectation(contest.model_copy(update={"expects": "shifted"}), images, toy.workspace)[0] == "shifted"


@pytest.mark.parametrize("size", [8, 32, 96, 600])
@pytest.mark.parametrize("expects", ["auto", "clean", "shifted"])
def test_every_situation_has_recipes_that_exist_and_one_that_needs_no_weights(size: int, expects: str) -> None:
    for device in ("cpu", "gpu"):
        recipes = [load_recipe(name) for name in default_recipes(size, expects, device)]  # type: ignore[arg-type]
        assert any(not recipe.net.pretrained for recipe in recipes)
        assert recipes[0].net.pretrained


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without pretrained weights, and the folder where they would be found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kit.nets.weights.search.PACKAGES", {})
    monkeypatch.setattr("kit.nets.weights.search.hub.cached", lambda name: None)
    monkeypatch.setattr("kit.nets.weights.search.folders", lambda: [tmp_path])
    return tmp_path


def test_every_trunk_whose_weights_are_here_takes_part(no_weights: Path) -> None:
    mobilenet = ("finetune_mobilenetv2_160", "finetune_mobilenetv2_128")
    lite = ("finetune_lite0_160", "finetune_lite0_128")
    assert default_recipes(32) == (*mobilenet, "residual_64"), "from the hub, or left out with a message"
    assert default_recipes(96, "shifted", minutes=15) == default_recipes(96, "shifted")
    save_file({"x": torch.zeros(1)}, no_weights / "tf_efficientnet_lite0.safetensors")
    assert default_recipes(32) == (*lite, "residual_64")
    assert default_recipes(96, "shifted")[0] == "lite0_96"
    save_file({"x": torch.zeros(1)}, no_weights / "mobilenetv2_100.safetensors")
    assert default_recipes(32) == (mobilenet[0], lite[0], mobilenet[1], "residual_64")
    shifted = ("mobilenetv2_96", "trunk_transformer_96", "lite0_96", "residual_64")
    assert default_recipes(96, "shifted") == (*shifted, "residual_group_64", "residual_se_64")
    assert default_recipes(96, "shifted", minutes=15) == shifted


def test_few_minutes_are_not_spent_on_a_race_of_many_and_large_images_are_seen_large(no_weights: Path) -> None:
    assert default_recipes(32, minutes=6) == ("finetune_mobilenetv2_128", "residual_64")
    assert default_recipes(32, minutes=60) == default_recipes(32)
    assert default_recipes(300, minutes=6) == ("finetune_mobilenetv2_192", "residual_64")
