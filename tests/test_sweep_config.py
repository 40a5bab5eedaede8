from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sweep_toy import BASE, SPACE, toy_sweep

from kit.config import AugmentConfig, list_names, load_recipe
from kit.errors import ConfigError
from kit.sweep.files import load_sweep
from kit.sweep.promote import to_toml
from kit.sweep.space import base_params, changed, decode, differences, draw, encode, value_at

READY = ("augmentation", "everything", "learning-rate", "regularisation")


def write(folder: Path, space: str, more: str = "") -> Path:
    path = folder / "mine.toml"
    path.write_text(f'base = "residual_64"\n{more}\n[space]\n{space}\n')
    return path


def refusal(folder: Path, space: str, more: str = "") -> str:
    with pytest.raises(ConfigError) as error:
        load_sweep(write(folder, space, more))
    return str(error.value)


class Fixed:
    """Draws what it is told, and remembers how it was asked."""

    def __init__(self, **values: Any) -> None:
        self.values = {key.replace("__", "."): value for key, value in values.items()}
        self.asked: dict[str, Any] = {}

    def suggest_float(self, name: str, low: float, high: float, **more: Any) -> float:
        self.asked[name] = (low, high, more)
        return float(self.values.get(name, low))

    def suggest_int(self, name: str, low: int, high: int, **more: Any) -> int:
        self.asked[name] = (low, high, more)
        return int(self.values.get(name, low))

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        self.asked[name] = list(choices)
        return self.values.get(name, choices[0])


# ------------------------------------------------------------------------------------------------------ files
@pytest.mark.parametrize("name", READY)
def test_ready_sweeps_load_and_every_choice_makes_a_recipe(name: str) -> None:
    sweep, base = load_sweep(name)
    assert (sweep.name, sweep.base) == (name, base.name)
    for number in range(max(len(axis.choices) for axis in sweep.space.values())):
        picked = {
            key: encode(axis.choices[number % len(axis.choices)]) for key, axis in sweep.space.items() if axis.choices
        }
        values = draw(Fixed(**{key.replace(".", "__"): value for key, value in picked.items()}), sweep.space)
        assert changed(base, values).name == base.name


def test_ready_sweeps_are_what_is_listed() -> None:
    assert set(READY) <= set(list_names("sweeps"))


def test_an_unknown_key_is_met_at_once_with_the_near_one(tmp_path: Path) -> None:
    message = refusal(tmp_path, '"train.weight_decai" = { low = 0.1, high = 0.2 }')
    assert "unknown key 'train.weight_decai'. Did you mean 'weight_decay'?" in message
    assert "unknown key 'trian'. Did you mean 'train'?" in refusal(tmp_path, '"trian.lr" = { low = 0.1, high = 0.2 }')
    assert "Did you mean 'space'" in refusal(tmp_path, '"train.lr" = { low = 1e-4, high = 1e-3 }', "spaec = 1")


@pytest.mark.parametrize(
    ("axis", "rule"),
    [
        ("{ low = 0.2, high = 0.1 }", "range is empty: low must be below high, but got 0.2 and 0.1"),
        ("{ low = 0.1, high = 0.1 }", "range is empty"),
        ("{ choices = [] }", "must have low and high, or choices"),
        ("{ low = 0.1 }", "must have low and high, or choices"),
        ("{ low = 0.1, high = 0.2, choices = [1.0] }", "must have low and high, or choices"),
        ("{ low = 0.0, high = 0.2, log = true }", "log must have low above 0"),
        ("{ low = 0.1, high = 0.2, step = 0.0 }", "step must be above 0"),
        ("{ choices = [0.1], log = true }", "choices have no log"),
        ("{ low = 0.1, hihg = 0.2 }", "Did you mean 'high'?"),
        ('{ low = "a", high = 0.2 }', "but got 'a'"),
        ('{ low = 0.1, high = 0.2, when = { "train.epochs" = [1] } }', "must name a key that stands before it"),
    ],
)
def test_an_axis_that_is_none_is_refused(tmp_path: Path, axis: str, rule: str) -> None:
    assert rule in refusal(tmp_path, f'"train.lr" = {axis}')


def test_a_value_that_the_recipe_refuses_is_met_at_once(tmp_path: Path) -> None:
    assert "train.label_smoothing" in refusal(tmp_path, '"train.label_smoothing" = { low = 0.0, high = 1.5 }')
    assert "'2' must be a place from 0 to 1" in refusal(tmp_path, '"augment.operators.2" = { low = 1, high = 2 }')
    assert "is a value (64)" in refusal(tmp_path, '"size.big" = { low = 1, high = 2 }')


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ('objective = "shiftet"', "Did you mean 'shifted'?"),
        ('objective = "seconds"', "objective must name a score"),
        ("[budget]\nhours = 0", "budget.hours"),
        ("[budget]\nhours = -1", "budget.hours"),
        ("[budget]\ntrials = 0", "budget.trials"),
        ("[fidelity]\nepochs = 2\n[pruning]\np = 1.5", "pruning.p"),
        ("[fidelity]\nsize = 32", "size must be in the space or in [fidelity], but it is in both"),
        ('sampler = "tpa"', "sampler"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, more: str, rule: str) -> None:
    assert rule in refusal(tmp_path, "size = { choices = [48, 64] }", more)


def test_a_condition_must_be_possible(tmp_path: Path) -> None:
    space = '"augment.mixup" = { choices = [0.0, 0.2] }\n'
    space += '"augment.mix_share" = { low = 0.1, high = 1.0, when = { "augment.mixup" = [0.3] } }'
    assert "when must hold choices of augment.mixup ([0.0, 0.2]), but got [0.3]" in refusal(tmp_path, space)


def test_a_base_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "residual_46"\n[space]\n"train.lr" = { low = 0.1, high = 0.2 }')
    with pytest.raises(ConfigError, match="Did you mean 'residual_64'"):
        load_sweep(path)
    with pytest.raises(ConfigError, match="Did you mean 'augmentation'"):
        load_sweep("augmentatoin")


# ------------------------------------------------------------------------------------------------------ space
def test_keys_are_drawn_in_order_and_only_where_their_conditions_hold() -> None:
    space = toy_sweep().space
    assert list(draw(Fixed(augment__mixup=0.2), space)) == list(SPACE)
    assert list(draw(Fixed(augment__mixup=0.0), space)) == ["train.lr", "augment.mixup"]


def test_ranges_are_drawn_as_they_are_written() -> None:
    sweep = toy_sweep(
        space={
            "train.lr": {"low": 1e-4, "high": 1e-1, "log": True},
            "train.batch_size": {"low": 16, "high": 64, "step": 16},
            "net.args": {"choices": [{"width": 8}, {"width": 16}]},
        }
    )
    trial = Fixed()
    values = draw(trial, sweep.space)
    assert trial.asked["train.lr"] == (1e-4, 1e-1, {"step": None, "log": True})
    assert trial.asked["train.batch_size"] == (16, 64, {"step": 16, "log": False})
    assert all(isinstance(choice, str) for choice in trial.asked["net.args"]), "tables are stored as text"
    assert values["net.args"] == {"width": 8}


@pytest.mark.parametrize("value", [1, 0.5, "text", True, None, [1, 2], {"a": [1, {"b": 2}]}, []])
def test_a_choice_survives_its_storage(value: Any) -> None:
    assert decode(encode(value)) == value


def test_dotted_keys_reach_sections_places_and_tables() -> None:
    made = changed(BASE, {"train.lr": 0.5, "augment.operators.1": 7, "net.args.width": 8, "size": 24}, "new")
    assert (made.name, made.train.lr, made.size, made.net.args) == ("new", 0.5, 24, {"width": 8})
    assert made.augment.operators == (AugmentConfig().operators[0], 7)
    assert BASE.train.lr != 0.5
    assert value_at(made, "augment.operators.1") == 7
    assert value_at(made, "net.args.depth") is None


def test_a_rule_between_keys_is_checked() -> None:
    with pytest.raises(ConfigError, match="operators must be"):
        changed(BASE, {"augment.operators.0": 9})


def test_the_base_is_a_point_of_the_space_as_far_as_it_lies_in_it() -> None:
    assert base_params(BASE, toy_sweep().space) == {"train.lr": 2e-3, "augment.mixup": 0.0, "augment.mix_share": 0.5}
    away = toy_sweep(space={"train.lr": {"low": 0.1, "high": 0.2}, "net.args": {"choices": [{}, {"width": 8}]}})
    assert base_params(BASE, away.space) == {"net.args": "json:{}"}


def test_differences_name_every_key_once() -> None:
    old = {"space": {"a": {"low": 1, "high": 2}, "b": 1}, "same": [1]}
    new = {"space": {"a": {"low": 1, "high": 3}, "c": 2}, "same": [1]}
    assert differences(old, new) == ["space: a: high: 2 -> 3", "space: b: 1 -> nothing", "space: c: nothing -> 2"]
    assert differences(old, old) == []


# --------------------------------------------------------------------------------------------------- promoting
@pytest.mark.parametrize("name", ["residual_64", "mobilenetv2_96", "study2_unet", "study1_cnn_augmented"])
def test_a_recipe_that_is_written_is_read_back_the_same(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    changes = {"augment.policy": [{"name": "OneOf", "p": 0.5, "transforms": [{"name": "Blur", "p": 1.0}]}],
               "net.args.extra": {"deep er": [1, "x\"y"]}, "augment.preset": "none"}  # fmt: skip
    for made in (recipe, changed(recipe, changes)):
        path = tmp_path / f"{name}.toml"
        path.write_text(to_toml(made))
        assert load_recipe(path) == made
