from __future__ import annotations

import pytest

from kit.config import RecipeConfig
from kit.ensemble.scoring.margins import margin, score
from kit.pipeline.curves import PRIORS, Curve, Point, joined, kind_of


# ------------------------------------------------------------------------------------------------- margins
@pytest.mark.parametrize("classes", [2, 8, 100])
def test_a_margin_of_zero_is_guessing_and_scores_come_back(classes: int) -> None:
    assert score(0.0, classes) == pytest.approx(1 / classes, abs=1e-4)
    for wanted in (0.6, 0.9, 0.99):
        assert score(margin(wanted, classes), classes) == pytest.approx(wanted, abs=1e-3)
    assert margin(0.0, classes) == 0.0
    assert score(8.0, classes) > 0.999


def test_two_classes_are_the_textbook_case() -> None:
    """Of two alternatives, d' is the square root of two times the normal quantile."""
    assert margin(0.8413447, 2) == pytest.approx(2**0.5, abs=2e-3)


# -------------------------------------------------------------------------------------------------- curves
@pytest.mark.parametrize("kind", list(PRIORS))
def test_scores_rise_from_guessing_and_never_fall(kind: str) -> None:
    curve = Curve(kind, 8, 8000)
    scores = [curve.score(images) for images in (0, 1e3, 1e4, 1e5, 1e6)]
    if kind.startswith("probed"):
        assert 1 / 8 < scores[0] < scores[1], "its head is fitted before the first step"
    else:
        assert scores[0] == pytest.approx(1 / 8)
    assert scores == sorted(scores)
    assert scores[-1] < 1


def test_more_rows_are_worth_more() -> None:
    curve = Curve("pretrained", 8, 8000)
    assert curve.score(1e5, 16_000) > curve.score(1e5, 8000) > curve.score(1e5, 1000)


def test_a_score_that_was_seen_moves_the_curve_and_many_rows_move_it_more() -> None:
    before = Curve("scratch", 10, 2000)
    few = Curve("scratch", 10, 2000, (Point(3000, 0.6, 10),))
    many = Curve("scratch", 10, 2000, (Point(3000, 0.6, 5000),))
    assert before.score(3000) < few.score(3000) < many.score(3000)
    assert many.score(3000) == pytest.approx(0.6, abs=0.15)
    assert many.score(30_000) > before.score(30_000)


def test_two_scores_far_apart_show_the_floor() -> None:
    flat = Curve("pretrained", 8, 8000, (Point(50_000, 0.85, 10_000), Point(100_000, 0.855, 10_000)))
    steep = Curve("pretrained", 8, 8000, (Point(50_000, 0.70, 10_000), Point(100_000, 0.80, 10_000)))
    assert flat.score(200_000) - flat.score(100_000) < steep.score(200_000) - steep.score(100_000)


def test_how_a_recipe_starts() -> None:
    scratch = {"net": {"name": "kit/residual"}, "size": 32}
    pretrained = {"net": {"name": "timm/resnet18", "pretrained": True}, "size": 32}
    assert kind_of(RecipeConfig.model_validate(scratch)) == "scratch"
    assert kind_of(RecipeConfig.model_validate(pretrained)) == "pretrained"
    assert kind_of(RecipeConfig.model_validate(pretrained | {"finetune": {"frozen": 1}})) == "frozen"
    narrow, broad = ({"augment": {"preset": preset}} for preset in ("flips", "strong"))
    assert kind_of(RecipeConfig.model_validate(scratch | narrow), "shifted") == "scratch, narrow"
    assert kind_of(RecipeConfig.model_validate(scratch | narrow), "clean") == "scratch"
    assert kind_of(RecipeConfig.model_validate(scratch | broad), "shifted") == "scratch, shifted"


def test_flips_learn_fastest_and_stay_behind_under_shifts() -> None:
    """The practice contest: 0.44 with flips, 0.65 with strong operators, at the end of their schedules."""
    flips = Curve("scratch, narrow", 8, 1100, (Point(1600, 0.43, 240),))
    strong = Curve("scratch, shifted", 8, 1100, (Point(1600, 0.25, 240),))
    assert flips.score(2000) > strong.score(2000)
    assert strong.score(40_000) > flips.score(40_000)


def test_points_are_joined_once() -> None:
    one, two = Point(1, 0.5, 10), Point(2, 0.6, 10)
    assert joined([one, two], [two]) == (one, two)


def test_what_a_shift_hides_stays_hidden() -> None:
    """A recorded run on shifted cells: a short race must not promise what longer training did not bring."""
    raced = (Point(1_920, 0.627, 300, 660), Point(5_888, 0.817, 300, 2_000))
    shifted = Curve("probed, shifted", 8, 8_600, raced)
    assert shifted.score(38_600) == pytest.approx(0.847, abs=0.015)
    assert Curve("pretrained", 8, 8_600, raced).score(38_600) > 0.88, "of clean images more is to be expected"


def test_a_fitted_head_is_worth_most_of_a_short_fit() -> None:
    """A recorded run on photographs: half the images cost 3.4 points, not the 6 that a network from guessing loses."""
    raced = (Point(480, 0.592, 120, 270), Point(1_376, 0.658, 120, 770))
    probed = Curve("probed", 10, 1_600, raced)
    assert probed.score(4_160) == pytest.approx(0.786, abs=0.03)
    assert probed.score(2_080) == pytest.approx(0.752, abs=0.03)


def test_a_point_of_fewer_rows_promises_more_of_all() -> None:
    few, every = (Curve("probed", 10, 8_000, (Point(1_000, 0.6, 300, rows),)) for rows in (500, 8_000))
    assert few.score(20_000) > every.score(20_000) + 0.02


def test_data_unlike_all_seen_are_believed() -> None:
    """Digits are learnt far faster than photographs, where the priors come from."""
    easy = Curve("scratch", 10, 1_800, (Point(8_512, 0.98, 100),))
    assert easy.score(25_000) > 0.9
