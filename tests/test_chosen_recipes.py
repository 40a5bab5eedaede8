"""Which recipes a run trains: those named, the contest's for this machine, or those of its situation."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.config import list_names, load_contest
from kit.errors import NetError
from kit.pipeline.named import find_recipe
from kit.pipeline.stages.recipes import chosen_recipes, recipe_names
from kit.situation import recipes as situation
from kit.situation.recipes import default_recipes
from kit.workspace import Workspace


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine that has no pretrained network, and no hub in reach."""

    def nowhere(name: str, ask_hub: bool = True) -> None:
        raise NetError(f"{name}: no weights found")

    monkeypatch.setattr(situation, "locate", nowhere)
    monkeypatch.setattr("kit.nets.weights.needs.locate", nowhere)


@pytest.mark.parametrize("name", list_names("contests"))
@pytest.mark.parametrize("minutes", [None, 5.0, 15.0, 45.0])
def test_every_contest_of_the_kit_has_recipes_for_a_cpu(
    name: str, minutes: float | None, no_weights: None, tmp_path: Path
) -> None:
    contest = load_contest(name)
    chosen = chosen_recipes(contest, None, Workspace(tmp_path), print, minutes)
    assert chosen
    assert all(not one.net.pretrained for one in chosen)
    assert contest.recipes.cpu or not {one.name for one in chosen} & set(contest.recipes.gpu)


@pytest.mark.parametrize("listed", [{}, {"gpu": ("convnext_tiny_224",)}])
def test_what_is_listed_for_a_gpu_is_not_trained_on_a_cpu(listed: dict[str, tuple[str, ...]]) -> None:
    contest = load_contest("an2dl2024")
    contest = contest.model_copy(update={"recipes": contest.recipes.__class__(**listed)})
    assert recipe_names(contest, "cpu", 45.0) == default_recipes(96, "shifted", "cpu", 45.0)
    assert recipe_names(contest, "gpu") == listed.get("gpu", situation.GPU)


def test_a_gpu_trains_what_is_listed_for_a_cpu_alone() -> None:
    contest = load_contest("an2dl2024")
    contest = contest.model_copy(update={"recipes": contest.recipes.__class__(cpu=("residual_64",))})
    assert recipe_names(contest, "gpu") == recipe_names(contest, "cpu") == ("residual_64",)


def test_recipes_without_weights_are_left_out_in_one_line(no_weights: None, tmp_path: Path) -> None:
    contest, said = load_contest("an2dl2024"), []
    names = ("mobilenetv2_96", "residual_64", "lite0_96")
    contest = contest.model_copy(update={"recipes": contest.recipes.__class__(cpu=names)})
    chosen = chosen_recipes(contest, None, Workspace(tmp_path), said.append)
    assert [one.name for one in chosen] == ["residual_64"]
    assert len(said) == 1
    assert said[0].startswith("LEFT OUT: mobilenetv2_96, lite0_96, as the weights are not here")


def test_no_recipe_left_is_an_error_that_says_what_to_do(no_weights: None, tmp_path: Path) -> None:
    contest = load_contest("an2dl2024")
    contest = contest.model_copy(update={"recipes": contest.recipes.__class__(cpu=("mobilenetv2_96", "lite0_96"))})
    with pytest.raises(NetError, match=r"none of the contest's recipes \(mobilenetv2_96, lite0_96\).*--recipes"):
        chosen_recipes(contest, None, Workspace(tmp_path), print)
    named = chosen_recipes(contest, "mobilenetv2_96", Workspace(tmp_path), print)
    assert named == [find_recipe("mobilenetv2_96")]
