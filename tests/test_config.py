from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from conftest import CONTEST, RECIPES, Toy
from pydantic import BaseModel, ValidationError

from kit import config
from kit.config import AugmentConfig, ContestConfig, FoldsConfig, PlatformConfig, RecipeConfig, TrainConfig
from kit.errors import ConfigError
from kit.workspace import PROJECT

LOADERS: dict[str, Callable[[str | Path], BaseModel]] = {
    "contests": config.load_contest,
    "recipes": config.load_recipe,
    "platforms": config.load_platform,
}
SHIPPED = [(kind, path) for kind in LOADERS for path in sorted((PROJECT / "configs" / kind).glob("*.toml"))]


# ------------------------------------------------------------------------------------------- shipped files
@pytest.mark.parametrize(("kind", "path"), SHIPPED, ids=[f"{kind}/{path.stem}" for kind, path in SHIPPED])
def test_every_shipped_file_loads_by_name_and_by_path(kind: str, path: Path) -> None:
    by_name = LOADERS[kind](path.stem)
    assert by_name == LOADERS[kind](path)
    assert by_name.name == path.stem  # type: ignore[attr-defined]


@pytest.mark.parametrize(("kind", "path"), SHIPPED, ids=[f"{kind}/{path.stem}" for kind, path in SHIPPED])
def test_every_shipped_file_begins_with_its_claim(kind: str, path: Path) -> None:
    header = list(takewhile(lambda line: line.startswith("# "), path.read_text().splitlines()))
    assert header, "what it is for"
    if kind != "platforms":
        assert any("kit " in line or "make_submission.py" in line for line in header), "the command that uses it"


@pytest.mark.parametrize("path", [path for kind, path in SHIPPED if kind == "contests"], ids=lambda path: path.stem)
def test_what_a_shipped_contest_names_is_there(path: Path) -> None:
    from kit.train.names import check_names

    contest = config.load_contest(path)
    config.load_platform(contest.platform)
    for name in {*contest.recipes.cpu, *contest.recipes.gpu}:
        check_names(contest, config.load_recipe(name))


def test_all_three_kinds_are_shipped() -> None:
    assert {kind for kind, _ in SHIPPED} == set(LOADERS)
    for kind in LOADERS:
        assert config.list_names(kind) == sorted(path.stem for found, path in SHIPPED if found == kind)


# ------------------------------------------------------------------------------------------------- look-up
def test_the_current_folder_comes_before_the_checkout(toy: Toy) -> None:
    shadow = toy.file("recipes", "practice_plain")
    shadow.write_text(RECIPES["tiny"])
    assert config.load_recipe("practice_plain").train.batch_size == 10
    assert {"tiny", "practice_strong"} <= set(config.list_names("recipes"))


def test_a_path_comes_before_a_name(toy: Toy) -> None:
    assert config.load_recipe("configs/recipes/mini.toml").name == "mini"
    assert config.load_recipe(toy.file("recipes", "mini")).views == ("identity", "hflip")


def test_a_recipe_may_name_itself(toy: Toy) -> None:
    path = toy.file("recipes", "tiny")
    path.write_text('name = "other"\n' + RECIPES["tiny"])
    assert config.load_recipe("tiny").name == "other"


@pytest.mark.parametrize(
    ("load", "name", "near"),
    [
        (config.load_contest, "practise", "practice"),
        (config.load_contest, "tyo", "toy"),
        (config.load_recipe, "practice_stron", "practice_strong"),
        (config.load_platform, "codabench_timm", "codabench-timm"),
    ],
)
def test_a_misspelt_name_suggests_the_near_one(load: Callable, name: str, near: str, toy: Toy) -> None:
    with pytest.raises(ConfigError, match=f"must be a TOML file or one of .*got '{name}'. Did you mean '{near}'"):
        load(name)


def test_a_missing_file_is_said_to_be_missing(toy: Toy) -> None:
    with pytest.raises(ConfigError, match=r"recipe must be a TOML file or one of .*but got 'absent/x.toml'"):
        config.load_recipe("absent/x.toml")


# --------------------------------------------------------------------------------------------- broken files
@pytest.mark.parametrize("content", [b"name = ", b"[net\n", b"\xff\xfe\x00", b"size = 1\nsize = 2"])
def test_what_is_not_toml_is_named(content: bytes, toy: Toy) -> None:
    toy.file("recipes", "tiny").write_bytes(content)
    with pytest.raises(ConfigError, match=r"tiny.toml: not valid TOML \(.*Fix the file"):
        config.load_recipe("tiny")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("sise = 16\n" + RECIPES["tiny"], "unknown key 'sise'. Did you mean 'size'? Known: name, net, size"),
        (RECIPES["tiny"] + "epoch = 3", "unknown key 'train.epoch'. Did you mean 'epochs'? Known: epochs, batch_size"),
        (RECIPES["tiny"] + "[agument]", "unknown key 'agument'. Did you mean 'augment'?"),
        (RECIPES["tiny"] + "qqq = 3", "unknown key 'train.qqq'. Known: epochs"),
        ("size = 16", "key 'net' is missing. Add it"),
        ("[net]\nname = 'kit/residual'", "key 'size' is missing. Add it"),
    ],
)
def test_an_unknown_or_missing_key_of_a_recipe(broken: str, message: str, toy: Toy) -> None:
    toy.file("recipes", "tiny").write_text(broken)
    with pytest.raises(ConfigError) as error:
        config.load_recipe("tiny")
    assert "tiny.toml: " in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[folds]", "[fold]", "unknown key 'fold'. Did you mean 'folds'?"),
        ("n_splits", "n_split", "unknown key 'folds.n_split'. Did you mean 'n_splits'?"),
        ("classes =", "klasses =", "key 'classes' is missing. Add it"),
        ("n_splits = 2", "n_splits = 1", "folds.n_splits: Input should be greater than or equal to 2, but got 1"),
        ("n_splits = 2", 'n_splits = "two"', "folds.n_splits: Input should be a valid integer"),
        ('kind = "npz"', 'kind = "nzp"', "data.kind: Input should be 'practice', 'npz'"),
        ('"green", "blue"', '"green", "green"', "classes must be two or more different names, but got ['red', 'gr"),
        ('["red", "green", "blue"]', "[]", "classes must be two or more different names, but got []"),
        ('name = "toy"', 'name = "../toy"', "name must do for a folder (no slash, no dot in front), but got '../toy'"),
        ('name = "toy"', 'name = ".cache"', "name must do for a folder"),
        ("severities = [1, 3]", "severities = [1, 6]", "shift.severities.1: Input should be less than or equal to 5"),
        ("severities = [1, 3]", "severities = []", "shift.severities: Tuple should have at least 1 item"),
        ("image_size = 16", "image_size = 0", "image_size: Input should be greater than or equal to 1"),
    ],
)
def test_a_contest_that_breaks_a_rule(old: str, new: str, message: str, toy: Toy) -> None:
    assert CONTEST.count(old) == 1
    toy.file("contests", "toy").write_text(CONTEST.replace(old, new))
    with pytest.raises(ConfigError) as error:
        config.load_contest("toy")
    assert "toy.toml: " in str(error.value)
    assert message in str(error.value)


def test_all_broken_rules_are_listed_at_once(toy: Toy) -> None:
    toy.file("recipes", "tiny").write_text(RECIPES["tiny"] + "lrr = 1\nwarmup = 2.0")
    with pytest.raises(ConfigError, match=r"'train.lrr'.*; |; .*'train.lrr'") as error:
        config.load_recipe("tiny")
    assert "train.warmup" in str(error.value)


# ------------------------------------------------------------------------------------------------- ranges
@pytest.mark.parametrize(
    ("section", "values"),
    [
        (TrainConfig, {"epochs": 0}),
        (TrainConfig, {"epochs": float("inf")}),
        (TrainConfig, {"lr": float("nan")}),
        (TrainConfig, {"lr": -1}),
        (TrainConfig, {"batch_size": 0}),
        (TrainConfig, {"batch_size": 2.5}),
        (TrainConfig, {"warmup": 1.1}),
        (TrainConfig, {"label_smoothing": -0.1}),
        (TrainConfig, {"ema_decay": 1.5}),
        (TrainConfig, {"weight_decay": float("inf")}),
        (AugmentConfig, {"operators": (3, 1)}),
        (AugmentConfig, {"operators": (-1, 1)}),
        (AugmentConfig, {"operators": (1,)}),
        (AugmentConfig, {"magnitude": 2.0}),
        (AugmentConfig, {"mixup": float("nan")}),
        (FoldsConfig, {"shares": (0.5, 0.4)}),
        (FoldsConfig, {"shares": (1.0,)}),
        (FoldsConfig, {"shares": (1.2, -0.2)}),
        (PlatformConfig, {"python": "2.7"}),
        (PlatformConfig, {"artefact": "predictions"}),
        (PlatformConfig, {"max_mb": 0}),
    ],
)
def test_values_out_of_range_are_refused(section: type[BaseModel], values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        section.model_validate(values)


def test_a_config_cannot_be_changed_afterwards(toy: Toy) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        toy.contest().name = "other"  # type: ignore[misc]


def test_a_config_survives_json(toy: Toy) -> None:
    for made, model in ((toy.contest(), ContestConfig), (toy.recipe("tiny"), RecipeConfig)):
        assert model.model_validate(made.model_dump(mode="json")) == made
