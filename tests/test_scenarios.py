from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ensemble_toy import make_runs
from rich.console import Console

from kit.commands.submissions import _show_ledger
from kit.config import ContestConfig, ShiftConfig
from kit.data.practice.contest import hidden_test
from kit.data.practice.forms import FORMS
from kit.ensemble.blend import Blend, blend
from kit.ensemble.kinds.combine import equal
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.belief import prior, updated
from kit.ensemble.scoring.evidence import Evidence, cell_weights
from kit.ensemble.scoring.expected import Expected
from kit.ensemble.scoring.laboratory import (
    LOSS,
    MIXTURE,
    USUAL,
    above_chance,
    operator_slopes,
    together,
)
from kit.ensemble.scoring.scenarios import OPERATORS, between_operators, not_above, scenario_scores
from kit.ensemble.scoring.shares import with_shares
from kit.ensemble.tables import scenario_lines, scenario_rows
from kit.errors import ConfigError, DataError
from kit.metrics.registry import get_metric
from kit.packaging.packed import PackedZip
from kit.pipeline.stages.expectation import named_shares, shares_expected
from kit.platforms.ledger import append, record_zip, remote_promises
from kit.shifts.battery import Battery
from kit.shifts.mixture import PARTS, drawn_parts
from kit.shifts.scenarios import (
    CLAIMS,
    FOREIGN,
    LABORATORY,
    NATURAL,
    UNTOUCHED,
    resemblance,
    scenario_shares,
)
from kit.shifts.strengths import RANGES, STRENGTHS
from kit.workspace import Workspace

BATTERY = Battery.from_config(ShiftConfig())


@pytest.mark.parametrize("scenario", CLAIMS)
def test_a_scenario_is_a_mixture_of_the_batterys_cells(scenario: str) -> None:
    shares = scenario_shares(scenario, BATTERY.names)
    assert sum(shares.values()) == pytest.approx(1)
    assert set(shares) <= {*BATTERY.names, UNTOUCHED}
    assert scenario == "clean" or UNTOUCHED not in shares


def test_every_operator_that_a_scenario_names_is_one_of_the_batterys() -> None:
    known = {name.partition("@")[0] for name in BATTERY.names}
    assert known >= {name for kinds in (NATURAL, LABORATORY) for names in kinds.values() for name in names}


def test_a_contest_holds_one_to_four_operators_alike() -> None:
    shares = scenario_shares("contest", BATTERY.names)
    for size in ("two", "three", "four"):
        assert sum(share for name, share in shares.items() if name.startswith(f"mixture.{size}")) == pytest.approx(0.25)


def test_a_battery_without_such_cells_has_no_such_scenario() -> None:
    assert scenario_shares("natural", ["noise.shot@3"]) == {}
    made = blend(make_runs(2), "all")  # its cells: blur, noise, colour.hue; none moderate but blur.motion's
    assert set(made.scenarios) == set(CLAIMS)
    clean = blend(make_runs(2, cells=0), "all", "clean")
    assert set(clean.scenarios) == {"clean"}


@pytest.mark.parametrize("truth", CLAIMS)
def test_shares_of_cells_tell_which_scenario_they_are(truth: str) -> None:
    shares = scenario_shares(truth, BATTERY.names)
    found = resemblance(shares, BATTERY.names)
    assert sum(found.values()) == pytest.approx(1)
    assert found[truth] > 0.8


# ----------------------------------------------------------------------------------------------------- the scores
def world(seed: int, rows: int = 3000, share: float = 0.7) -> tuple[Pool, np.ndarray, dict[str, float]]:
    """A predictor whose log-odds above chance fall by slope times loss, a slope an operator; its true scores.

    share: what several operators at once take off, of their sum.
    """
    rng = np.random.default_rng(seed)
    names = BATTERY.names
    slope = {name.partition("@")[0]: rng.uniform(0.5, 3.0) for name in names}

    def of_mixture(operator: str, strength: float) -> float:
        falls = [
            sum(slope[one] * _loss(one, part * strength) for one, part in drawn_parts(PARTS[operator], rng))
            for _ in range(60)
        ]
        return float(np.mean(0.5 + 0.5 / (1 + np.exp(share * np.array(falls) - 2.5))))

    def of_cell(name: str) -> float:
        operator, _, severity = name.partition("@")
        if operator in PARTS:
            return of_mixture(operator, STRENGTHS[operator][int(severity) - 1])
        return float(0.5 + 0.5 / (1 + np.exp(slope[operator] * LOSS[int(severity) - 1] - 2.5)))

    chance = np.array([of_cell(name) for name in names])
    ids = np.array([f"{row:05d}" for row in range(rows)])
    cells, labels = BATTERY.draw(ids), rng.integers(2, size=rows)
    clean = 0.5 + 0.5 / (1 + np.exp(-2.5))
    rates = np.concatenate([np.full((rows, 1), clean), chance[cells]], axis=1)
    right = rng.random(rates.shape) < rates
    proba = np.eye(2)[np.where(right, labels[:, None], 1 - labels[:, None])] * 0.8 + 0.1
    alone = np.zeros(rows, int)  # one network is sent, and the truth is its own
    pool = Pool(("net",), proba[None].astype(np.float32), labels, alone, cells, names)
    place = dict(zip(names, chance)) | {UNTOUCHED: clean}
    truth = {
        name: sum(part * place[cell] for cell, part in scenario_shares(name, names).items())
        for name in ("clean", "natural", "contest")
    }
    labs = []
    for _ in range(400):
        fall = [slope[rng.choice(kinds)] * LOSS[rng.choice(FOREIGN) - 1] for kinds in LABORATORY.values()]
        labs.append(0.5 + 0.5 / (1 + np.exp(share * sum(fall) - 2.5)))
    return pool, proba, truth | {"laboratory": float(rng.choice(labs))}


def _loss(operator: str, part: float) -> float:
    """Loss at a part of the operator's range."""
    none, limit = RANGES[operator]
    return float(np.interp(none + (limit - none) * part, [none, *STRENGTHS[operator]], [0.0, *LOSS]))


def told(pool: Pool, proba: np.ndarray) -> tuple[float, float]:
    """What mixtures tell of several changes at once."""
    right = (proba.argmax(-1) == pool.labels[:, None]).astype(np.float64)
    known = Evidence(proba, pool, equal("mean", (0,)), 1000, right, None)
    start = above_chance(float(right[:, 0].mean()), 0.5)
    return together(known, right, operator_slopes(known, right, start, 0.5), start, 0.5)


@pytest.mark.parametrize("share", [0.45, 0.9])
def test_mixtures_tell_what_four_changes_do_together(share: float) -> None:
    found, error = np.mean([told(*world(seed, share=share)[:2]) for seed in range(4)], axis=0)
    assert np.exp(found) == pytest.approx(share, rel=0.2)
    assert 0.02 < error < 0.2


def test_without_mixtures_what_is_usual_is_taken() -> None:
    pool, proba, _ = world(0, 300)
    names = tuple(name.replace(MIXTURE, "mixture.two") for name in pool.cell_names)
    assert told(replace(pool, cell_names=names), proba)[0] == pytest.approx(USUAL, abs=0.02)


def test_each_scenario_is_expected_where_it_is() -> None:
    misses: dict[str, list[float]] = {name: [] for name in CLAIMS}
    inside = dict.fromkeys(CLAIMS, 0)
    for seed in range(12):
        pool, proba, truth = world(seed)
        found = scenario_scores(proba, pool, equal("mean", (0,)), 10**6)
        assert list(found) == list(CLAIMS)
        for name, one in found.items():
            misses[name].append(one.point - truth[name])
            inside[name] += one.low <= truth[name] <= one.high
    assert abs(np.mean(misses["clean"])) < 0.01
    assert abs(np.mean(misses["natural"])) < 0.015
    assert abs(np.mean(misses["contest"])) < 0.03
    assert abs(np.mean(misses["laboratory"])) < 0.1
    assert all(count >= 7 for count in inside.values()), inside


def test_no_laboratory_is_expected_below_chance() -> None:
    pool, proba, _ = world(0)
    hopeless = proba.copy()
    hopeless[:, 1:] = 0.5 + 0.1 * np.random.default_rng(0).normal(size=(*hopeless[:, 1:, :1].shape[:2], 1)) * [1, -1]
    found = scenario_scores(hopeless, pool, equal("mean", (0,)), 10**6)["laboratory"]
    assert found.point >= 0.5


def test_a_laboratory_is_least_known_and_clean_best() -> None:
    pool, proba, _ = world(0)
    found = scenario_scores(proba, pool, equal("mean", (0,)), 2000)
    widths = {name: one.high - one.low for name, one in found.items()}
    assert widths["clean"] < min(widths["natural"], widths["contest"])
    assert widths["laboratory"] == max(widths.values())


def test_what_test_images_told_moves_no_scenario() -> None:
    pool, proba, _ = world(0)
    shared = with_shares(pool, {"blur.motion@3": 0.5, UNTOUCHED: 0.5})
    more = np.concatenate([proba, proba[:, :1]], axis=1)
    plain, other = (scenario_scores(one, of, equal("mean", (0,)), 2000) for one, of in ((proba, pool), (more, shared)))
    assert plain == other


# ---------------------------------------------------------------------------------- no shift is expected to help
def ranked(seed: int, rows: int = 160, positive: float = 0.3, harm: float = 0.0) -> Pool:
    """Two classes told apart by one number; shifted images are told apart less well by `harm`."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(rows) < positive * rows).astype(np.int64)
    cells = BATTERY.draw(np.array([f"{row:05d}" for row in range(rows)]))
    seen = labels[:, None] * np.where(np.arange(5) > 0, 1.2 - harm, 1.2) + rng.normal(size=(rows, 5))
    one = 1 / (1 + np.exp(-seen))
    proba = np.stack([1 - one, one], axis=-1).astype(np.float32)
    return Pool(("net",), proba[None], labels, np.zeros(rows, int), cells, BATTERY.names, metric="roc_auc")


def test_natural_is_the_metric_of_its_own_images() -> None:
    compared = 0
    for seed in range(8):
        pool = ranked(seed, rows=400, harm=0.6)
        weights = cell_weights(scenario_shares("natural", pool.cell_names), pool.cell_names, pool.cells)[:, 1:]
        found = scenario_scores(pool.proba[0], pool, equal("mean", (0,)), 500)
        images = pool.proba[0, :, 1:], np.repeat(pool.proba[0, :, :1], 4, axis=1)
        shifted, same = (get_metric("roc_auc").score(pool.labels, one, weights / weights.mean()) for one in images)
        if found["natural"].note:  # few images that score above the clean ones by chance
            continue
        compared += 1
        assert found["natural"].point == pytest.approx(found["clean"].point + shifted - same)
    assert compared >= 5


def test_kinds_may_differ_in_every_natural_test_alike_but_their_operators_may_not() -> None:
    """What focus, light, stain and compression differ by is in each test; which operators stand for them is not."""
    pool = ranked(0, rows=2000)
    weights = cell_weights(scenario_shares("natural", pool.cell_names), pool.cell_names, pool.cells)[:, 1:]
    kind = {name: number for number, names in enumerate(NATURAL.values()) for name in names}
    single = [name.partition("@")[0] for name in pool.cell_names]
    between = np.array([0.1 * kind.get(name, 0) for name in single])
    assert between_operators(-between[pool.cells], weights, pool) == pytest.approx(0, abs=1e-6)
    one = np.array([0.4 * (name == "compression.jpeg") for name in single])
    found = between_operators(-(between + one)[pool.cells], weights, pool)
    assert found == pytest.approx(np.sqrt(0.25**2 * 0.4**2 / 2 / OPERATORS), rel=1e-3)


def test_few_rows_never_promise_more_of_shifted_images_than_they_show_beyond_chance() -> None:
    notes = []
    for seed in range(20):
        pool = ranked(seed)
        found = scenario_scores(pool.proba[0], pool, equal("mean", (0,)), 500)
        for name in ("natural", "contest"):
            notes.append(found[name].note)
            surely = 0.0 if not found[name].note else max(_shown(found[name].note), 0.0)
            assert found[name].point <= found["clean"].point + surely + 1e-9
            assert found[name].low < found[name].point <= found[name].high
    assert any(notes), "unharmed images, so that some lie above"
    assert not all(notes)


def _shown(note: str) -> float:
    """What a note says lies beyond the standard error."""
    gap, error = (float(part) for part in note.removeprefix("its images score ").partition(" beside")[0].split(" ± "))
    return gap - error + 1e-3


def test_a_class_without_natural_images_has_no_natural_auc() -> None:
    pool = ranked(0)
    mixture = next(place for place, name in enumerate(pool.cell_names) if name.startswith(MIXTURE))
    pool = replace(pool, cells=np.where(pool.labels[:, None] == 1, mixture, pool.cells))
    found = scenario_scores(pool.proba[0], pool, equal("mean", (0,)), 500)
    assert "natural" not in found
    assert {"clean", "contest"} <= set(found)


@pytest.mark.parametrize(("metric", "sign"), [("accuracy", 1), ("log_loss", -1)])
def test_a_shifted_score_is_lowered_to_the_clean_one(metric: str, sign: int) -> None:
    clean = Expected(0.6, 0.55, 0.65, "clean")
    better = Expected(0.6 + sign * 0.1, 0.6 + sign * 0.1 - 0.05, 0.6 + sign * 0.1 + 0.05, "natural", local=0.5)
    chance = not_above(better, clean, (sign * 0.1, 0.2), metric)
    assert (chance.point, chance.low, chance.high) == pytest.approx((0.6, 0.55, 0.65))
    assert "of which more than that error counts" in chance.note
    shown = not_above(better, clean, (sign * 0.1, 0.02), metric)
    assert shown.point == pytest.approx(0.6 + sign * 0.08)
    worse = Expected(0.6 - sign * 0.1, 0.4, 0.7, "natural")
    assert not_above(worse, clean, (-sign * 0.1, 0.02), metric) is worse


def test_the_table_says_all_four_and_what_was_achieved(tmp_path) -> None:
    made = blend(make_runs(3), "all")
    assert made.scenarios["contest"].point == made.expected.point
    rows = scenario_rows(made, {"natural": 0.8})
    assert [row["scenario"] for row in rows] == list(CLAIMS)
    assert [row["achieved"] for row in rows] == [None, 0.8, None, None]
    lines = scenario_lines(rows)
    assert len(lines) == 5
    assert "achieved 0.800" in lines[2]
    made.to_json(tmp_path / "blend.json")
    assert Blend.from_json(tmp_path / "blend.json") == made


# ------------------------------------------------------------------------------------------------------ the belief
def test_remote_scores_tell_which_scenario_it_is() -> None:
    before = prior("shifted")
    assert max(before.shares, key=lambda name: before.shares[name]) == "contest"
    promises = {"clean": (0.95, 0.94, 0.96), "contest": (0.75, 0.70, 0.80), "natural": (0.90, 0.88, 0.92)}
    promises["laboratory"] = (0.6, 0.4, 0.8)
    after = updated(before, [(promises, 0.91), (promises, 0.905)])
    assert after.shares["natural"] > 0.9
    assert sum(after.shares.values()) == pytest.approx(1)
    assert after.told_by == "remote scores"
    assert "natural 9" in after.line()
    once, often = (updated(before, [(promises, 0.91)] * count).shares["natural"] for count in (1, 5))
    assert once == pytest.approx(often), "one hidden test, however many zips meet it"


def test_a_score_far_from_every_promise_tells_the_nearest() -> None:
    """Forty standard deviations away a density is 0 in floating point; its logarithm is not."""
    promises = {"clean": (0.95, 0.949, 0.951), "contest": (0.80, 0.799, 0.801), "natural": (0.9, 0.899, 0.901)}
    after = updated(prior("clean"), [(promises, 0.30)])
    assert after.shares["contest"] == pytest.approx(0.8)
    assert after.shares["laboratory"] == pytest.approx(0.2), "of which nothing was promised"


def test_without_promises_nothing_is_learnt() -> None:
    assert updated(prior("clean"), [({}, 0.3)]) == prior("clean")
    assert prior("clean").shares["clean"] == 0.4


def test_test_images_tell_but_are_not_trusted_blindly() -> None:
    found = prior("shifted", {"clean": 1.0, "natural": 0.0, "contest": 0.0, "laboratory": 0.0})
    assert 0.9 < found.shares["clean"] < 1.0


def test_the_ledger_learns_which_test_it_is(tmp_path) -> None:
    workspace, made = Workspace(tmp_path), blend(make_runs(3), "all")
    packed = PackedZip(tmp_path / "one.zip", "a" * 64, 1.0, {"contest": "toy", "platform": "p"}, made)
    record_zip(workspace, packed)
    assert remote_promises(workspace, "toy") == []
    append(workspace, "scored", sha256="a" * 64, score=0.7)
    (found,) = remote_promises(workspace, "toy")
    assert found[1] == 0.7
    assert found[0]["clean"][0] == made.scenarios["clean"].point
    contest = ContestConfig.model_validate({"name": "toy", "classes": ["a", "b"], "image_size": 8})
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        _show_ledger(workspace, contest, False)
    assert "told by remote scores" in " ".join(said.getvalue().split())


@pytest.mark.parametrize(
    ("expects", "scored", "scenario"),
    [("clean", "clean", "contest"), ("shifted", "shifted", "contest"), ("contest", "shifted", "contest"),
     ("natural", "shifted", "natural"), ("laboratory", "shifted", "laboratory")],
)  # fmt: skip
def test_expects_names_the_scenario_that_selection_follows(expects: str, scored: str, scenario: str) -> None:
    contest = ContestConfig.model_validate({"name": "t", "classes": ["a", "b"], "image_size": 8, "expects": expects})
    assert (contest.expects, contest.scenario) == (scored, scenario)
    shares = named_shares(contest)
    assert (shares is None) == (scenario == "contest")
    if shares is not None:
        assert shares == scenario_shares(scenario, BATTERY.names)
    empty = contest.model_copy(update={"shift": ShiftConfig(battery=["noise.shot"])})
    if shares is not None:
        with pytest.raises(ConfigError, match=f'expects = "{expects}" needs cells of that kind'):
            named_shares(empty)


def test_shifted_test_images_and_a_battery_without_shifts_are_told(tmp_path: Path) -> None:
    """It was an assertion after everything had been trained."""
    shift = ShiftConfig(battery="clean")
    contest = ContestConfig(name="toy", classes=("a", "b"), image_size=8, expects="shifted", shift=shift)
    nobody: Any = None
    said = io.StringIO()
    assert shares_expected(contest, nobody, Workspace(tmp_path), Console(file=said, width=300), tmp_path) is None
    assert 'battery = "clean" scores no shift' in said.getvalue()


# ---------------------------------------------------------------------------------------------- practice's four forms
def test_the_practice_contest_hides_the_same_cells_in_four_forms() -> None:
    tests = {form: hidden_test(n=60, form=form) for form in FORMS}
    clean, labels = tests["clean"]
    for images, truth in tests.values():
        np.testing.assert_array_equal(truth, labels)
        assert images.shape == clean.shape
        assert images.dtype == np.uint8
    moved = {form: np.abs(images.astype(int) - clean).mean() for form, (images, _) in tests.items()}
    assert moved["clean"] == 0
    assert 0 < moved["natural"] < moved["contest"]
    assert moved["laboratory"] > 0
    again, _ = hidden_test(n=60, form="laboratory")
    np.testing.assert_array_equal(again, tests["laboratory"][0])
    other, _ = hidden_test(n=60, form="laboratory", mixture_seed=5)
    assert (other != again).mean() > 0.5, "another laboratory"
    with pytest.raises(DataError, match="form must be one of clean"):
        hidden_test(n=2, form="odd")


def test_a_laboratory_treats_all_its_images_alike() -> None:
    from kit.data.practice.forms import shifted_as

    one = np.random.default_rng(0).integers(0, 256, (1, 48, 48, 3)).astype(np.uint8)
    seen = shifted_as("laboratory", np.concatenate([one, one]), 1.0, 3, np.random.default_rng(0))
    np.testing.assert_array_equal(seen[0], seen[1])
