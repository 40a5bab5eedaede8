from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from sweep_toy import BASE, NOISE, FakeMaker, Inline, open_toy, sweep_session, toy_sweep, true_score

from kit.artefact import write_json
from kit.errors import ArtefactError, SweepError
from kit.sweep.confirm import Confirmed, read_confirmed, winners
from kit.sweep.hours import Hours
from kit.sweep.noise import read_base
from kit.sweep.promote import promote
from kit.sweep.search import SAME_FAILURES, signature, trial_recipe
from kit.sweep.status import render, status
from kit.sweep.stored import StoredSummary
from kit.sweep.study import check_digests, mark
from kit.sweep.summary import summary, write_summary

NO_TEST = {"winners": 0, "noise_seeds": 1}
NO_PRUNING = {"folds": "none"}


class Clock:
    """Time that moves on by `step` whenever somebody looks."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def states(study: optuna.Study) -> dict[str, int]:
    found: dict[str, int] = {}
    for trial in study.trials:
        found[trial.state.name] = found.get(trial.state.name, 0) + 1
    return found


# ------------------------------------------------------------------------------------------------ a whole sweep
def test_a_sweep_finds_what_is_better_than_its_base_and_says_how_much_was_selection(tmp_path: Path) -> None:
    said: list[str] = []
    sweep = toy_sweep(budget={"trials": 30})
    tested = sweep_session(sweep, tmp_path, FakeMaker(), said).run()
    study = open_toy(sweep, tmp_path)
    best = winners(study, sweep, 1)[0]
    assert true_score(trial_recipe(sweep, BASE, best)) > true_score(BASE) + 0.03
    assert best.value == study.best_value
    counts = states(study)
    assert counts["COMPLETE"] + counts.get("PRUNED", 0) == 30
    assert tested[0].holds
    truth = true_score(trial_recipe(sweep, BASE, best)) - true_score(BASE)
    assert tested[0].gain == pytest.approx(truth, abs=4 * NOISE)
    assert tested == read_confirmed(study)
    text = summary(study, sweep)
    assert "it holds" in text
    assert f"{tested[0].selection:+.4f} of that was selection" in text
    assert f"importance: cannot be told yet: {counts['COMPLETE']} finished trials, 16 are needed" in text
    assert any("trained in full" in line for line in said)


def test_winners_are_tested_on_fresh_seeds_and_folds_and_trained_in_full(tmp_path: Path) -> None:
    maker = FakeMaker()
    sweep = toy_sweep(budget={"trials": 15}, confirm={"winners": 1, "seeds": 2, "folds": 2})
    sweep_session(sweep, tmp_path, maker, []).run()
    fresh = [(name, fold, stage) for name, fold, stage in maker.made if stage.startswith("fresh")]
    assert sorted({stage for _, _, stage in fresh}) == ["fresh0", "fresh1"]
    assert sum("base" in name for name, _, _ in fresh) == len(fresh) / 2 == 4
    full = [(name, fold) for name, fold, stage in maker.made if stage == "full"]
    assert [fold for _, fold in full] == maker.every
    assert len({name for name, _ in full}) == 1


def test_the_noise_of_the_base_is_measured_once(tmp_path: Path) -> None:
    confirm = {"winners": 0, "noise_seeds": 4}
    sweep = toy_sweep(confirm=confirm, budget={"trials": 3})
    maker = FakeMaker()
    sweep_session(sweep, tmp_path, maker, []).run()
    base = read_base(open_toy(sweep, tmp_path))
    assert base is not None
    assert len(base.by_seed) == 4
    assert 0 < base.noise < base.fold_noise < 3 * NOISE
    assert base.noise == pytest.approx(np.std(np.mean(base.by_seed, axis=1), ddof=1))
    assert sum("base" in name for name, _, _ in maker.made) == 4 * 3
    again = FakeMaker()
    sweep_session(toy_sweep(confirm=confirm, budget={"trials": 5}), tmp_path, again, []).run()
    assert not any("base" in name for name, _, _ in again.made)
    assert sum(states(open_toy(sweep, tmp_path)).values()) == 5


def test_the_search_starts_at_the_base(tmp_path: Path) -> None:
    sweep = toy_sweep(budget={"trials": 1}, confirm=NO_TEST)
    sweep_session(sweep, tmp_path, FakeMaker(), []).run()
    assert open_toy(sweep, tmp_path).trials[0].params["train.lr"] == BASE.train.lr


# ----------------------------------------------------------------------------------------------------- pruning
def test_a_trial_that_is_clearly_behind_ends_after_a_fold_and_says_why(tmp_path: Path) -> None:
    confirm = {"winners": 0, "noise_seeds": 3}
    sweep = toy_sweep(sampler="random", budget={"trials": 20}, confirm=confirm, pruning={"p": 0.05})
    sweep_session(sweep, tmp_path, FakeMaker(), []).run()
    study = open_toy(sweep, tmp_path)
    pruned = [trial for trial in study.trials if trial.state == TrialState.PRUNED]
    assert len(pruned) >= 5
    best = true_score(trial_recipe(sweep, BASE, study.best_trial))
    for trial in pruned:
        assert true_score(trial_recipe(sweep, BASE, trial)) < best + NOISE, "none was pruned that is better"
        assert "behind trial" in trial.user_attrs["reason"]
    assert any("fold0" in trial.user_attrs and "fold1" not in trial.user_attrs for trial in pruned)
    assert "pruned" in summary(study, sweep)


def test_hopeless_trials_end_within_their_first_fold(tmp_path: Path) -> None:
    pruning = {"folds": "none", "epochs": "hyperband"}
    sweep = toy_sweep(sampler="random", budget={"trials": 20}, confirm=NO_TEST, pruning=pruning)
    sweep_session(sweep, tmp_path, FakeMaker(epochs=9), []).run()
    study = open_toy(sweep, tmp_path)
    pruned = [trial for trial in study.trials if trial.state == TrialState.PRUNED]
    assert pruned
    assert all("epoch" in trial.user_attrs["reason"] for trial in pruned)
    assert all("fold0" not in trial.user_attrs for trial in pruned)
    assert any(trial.state == TrialState.COMPLETE for trial in study.trials)


def test_without_pruning_every_trial_has_every_fold(tmp_path: Path) -> None:
    sweep = toy_sweep(sampler="random", budget={"trials": 6}, confirm=NO_TEST, pruning=NO_PRUNING)
    maker = FakeMaker()
    sweep_session(sweep, tmp_path, maker, []).run()
    assert states(open_toy(sweep, tmp_path)) == {"COMPLETE": 6}
    searched = [one for one in maker.made if "-t" in one[0]]
    assert len(searched) == len(set(searched)) == 18


# --------------------------------------------------------------------------------------------------- objectives
def test_several_objectives_give_a_front(tmp_path: Path) -> None:
    sweep = toy_sweep(objective=["shifted", "seconds"], sampler="nsga2", budget={"trials": 20}, confirm={"winners": 1})
    sweep_session(sweep, tmp_path, FakeMaker(), []).run()
    study = open_toy(sweep, tmp_path)
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    front = winners(study, sweep, 9)
    assert {trial.number for trial in front} <= {trial.number for trial in study.best_trials}
    assert [trial.values[0] for trial in front] == sorted((trial.values[0] for trial in front), reverse=True)


def test_a_limit_keeps_what_costs_too_much_from_winning(tmp_path: Path) -> None:
    limited = {"budget": {"trials": 12}, "confirm": NO_TEST, "pruning": NO_PRUNING, "limits": {"max_seconds": 12}}
    sweep = toy_sweep(sampler="random", **limited)
    sweep_session(sweep, tmp_path, FakeMaker(), []).run()
    study = open_toy(sweep, tmp_path)
    over = [trial for trial in study.trials if trial.params["augment.mixup"] > 0]
    assert over
    assert all(trial.user_attrs["excess"] == [pytest.approx(0.25)] for trial in over)
    if hasattr(optuna.trial.Trial, "set_constraint"):  # Optuna 5: what samplers read
        assert all(trial.constraints == {"seconds": pytest.approx(0.25)} for trial in over)
    assert all(trial.params["augment.mixup"] == 0 for trial in winners(study, sweep, 5))


# ----------------------------------------------------------------------------------------------------- failures
def test_failures_are_recorded_with_their_reason_and_do_not_stop_the_sweep(tmp_path: Path) -> None:
    said: list[str] = []
    sweep = toy_sweep(sampler="random", budget={"trials": 10}, confirm=NO_TEST, pruning=NO_PRUNING)
    sweep_session(sweep, tmp_path, FakeMaker(breaks=1e-2), said).run()
    study = open_toy(sweep, tmp_path)
    failed = [trial for trial in study.trials if trial.state == TrialState.FAIL]
    assert 0 < len(failed) < SAME_FAILURES
    assert all(trial.params["train.lr"] > 1e-2 for trial in failed)
    assert all(trial.user_attrs["reason"] == "KitError: loss is nan at step 17" for trial in failed)
    assert states(study)["COMPLETE"] == 10, "failed trials do not use the budget up"
    assert f"failed, {len(failed)} times: KitError: loss is nan at step 17" in summary(study, sweep)


def test_the_same_failure_ten_times_ends_the_session_and_keeps_what_is_done(tmp_path: Path) -> None:
    sweep = toy_sweep(budget={"trials": 50}, confirm=NO_TEST)
    maker = FakeMaker()
    session = sweep_session(sweep, tmp_path, maker, [])
    session._base()
    maker.breaks = 0.0
    with pytest.raises(SweepError, match=r"10 trials failed for the same reason \(KitError: loss is nan at step 17\)"):
        session.run()
    assert states(open_toy(sweep, tmp_path)) == {"FAIL": 10}
    sweep_session(toy_sweep(budget={"trials": 2}, confirm=NO_TEST), tmp_path, FakeMaker(), []).run()
    assert sum(states(open_toy(sweep, tmp_path)).values()) == 12, "fixed, the same command goes on"


def test_reasons_that_differ_in_their_numbers_are_the_same() -> None:
    assert signature("t0012: loss is nan at step 17") == signature("t0399: loss is nan at step 4")
    assert signature("out of memory") != signature("loss is nan")


# ------------------------------------------------------------------------------------------------------- budget
def test_a_budget_that_has_no_room_for_two_trials_is_refused_with_what_it_takes(tmp_path: Path) -> None:
    sweep = toy_sweep(budget={"hours": 0.5, "trials": 5})
    rule = r"0.5 hours are too few: the base recipe under 3 seeds and 2 trials take 1.25"
    with pytest.raises(SweepError, match=rule):
        sweep_session(sweep, tmp_path, FakeMaker(fold_seconds=300), []).run()


def test_hours_count_over_sessions_and_a_spent_budget_says_so(tmp_path: Path) -> None:
    sweep = toy_sweep(budget={"hours": 1.0, "trials": 100_000}, confirm=NO_TEST)
    said: list[str] = []
    sweep_session(sweep, tmp_path, FakeMaker(), said, clock=Clock(10.0)).run()
    done = len(open_toy(sweep, tmp_path).trials)
    assert 1 <= done < 1000
    again: list[str] = []
    sweep_session(sweep, tmp_path, FakeMaker(), again, clock=Clock(10.0)).run()
    assert "its 1 hours are spent" in again[0]
    assert len(open_toy(sweep, tmp_path).trials) == done
    more = toy_sweep(budget={"hours": 2.0, "trials": 100_000}, confirm=NO_TEST)
    sweep_session(more, tmp_path, FakeMaker(), [], clock=Clock(10.0)).run()
    assert len(open_toy(sweep, tmp_path).trials) > done


def test_the_book_of_hours_adds_up(tmp_path: Path) -> None:
    now = [100.0]
    first = Hours(tmp_path / "hours.json", 1.0, lambda: now[0])
    now[0] = 160.0
    first.note()
    now[0] = 5.0  # another session, whose clock starts anew
    second = Hours(tmp_path / "hours.json", 1.0, lambda: now[0])
    assert second.spent == 60.0
    now[0] = 10.0
    second.note()
    assert json.loads((tmp_path / "hours.json").read_text())["seconds"] == 60.0, "not written at every look"
    second.note(now=True)
    assert json.loads((tmp_path / "hours.json").read_text())["seconds"] == 65.0
    assert second.left == 3600 - 65
    onlooker = Hours(tmp_path / "hours.json", None, lambda: now[0])
    assert onlooker.left == 3600 - 65, "--status knows the hours that the sweep was given"


def test_hours_of_another_study_are_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "hours.json"
    Hours(path, 1.0, study="one").note(now=True)
    assert Hours(path, None, study="one").allowed == 3600
    with pytest.raises(ArtefactError, match=r"hours of another study.*rm .*hours\.json"):
        Hours(path, 1.0, study="other")
    write_json(path, {"seconds": 5.0, "allowed": 3600.0})  # from before it was noted whose they are
    assert Hours(path, None, study="other").before == 5.0


def test_a_study_goes_on_with_the_images_and_folds_that_it_began_with(tmp_path: Path) -> None:
    study = open_toy(toy_sweep(), tmp_path)
    before = mark(study)
    check_digests(study, {"data": "a" * 64, "folds": "b" * 64}, "rm -r x")
    check_digests(study, {"data": "a" * 64, "folds": "b" * 64}, "rm -r x")
    assert mark(study) != before
    with pytest.raises(SweepError, match=r"other images, folds, .* \(folds bbbbbbbb, now cccccccc\).*rm -r x"):
        check_digests(study, {"data": "a" * 64, "folds": "c" * 64}, "rm -r x")
    check_digests(study, {"data": "a" * 64, "folds": "b" * 64, "battery": "d" * 64}, "rm -r x")  # not noted then


def test_a_study_goes_on_with_the_shifts_that_it_began_with(tmp_path: Path) -> None:
    study = open_toy(toy_sweep(), tmp_path)
    check_digests(study, {"data": "a" * 64, "battery": "b" * 64}, "rm -r x")
    with pytest.raises(SweepError, match=r"shifts or by another metric \(battery bbbbbbbb, now cccccccc\)"):
        check_digests(study, {"data": "a" * 64, "battery": "c" * 64}, "rm -r x")


# ------------------------------------------------------------------------------------------- several at a time
def test_four_trials_at_once_are_as_many_as_asked_for(tmp_path: Path) -> None:
    sweep = toy_sweep(budget={"trials": 21}, confirm=NO_TEST)
    sweep_session(sweep, tmp_path, FakeMaker(), [], backend=Inline(4)).run()
    study = open_toy(sweep, tmp_path)
    assert sum(states(study).get(name, 0) for name in ("COMPLETE", "PRUNED")) == 21
    assert len({trial.params["train.lr"] for trial in study.trials}) == 21, "none is drawn twice"


# ---------------------------------------------------------------------------------------------- status, promote
def test_status_is_read_from_the_study_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.sweep.session.SELDOM", 0.0)
    sweep = toy_sweep(budget={"trials": 6}, confirm=NO_TEST)
    seen: list[Any] = []
    watch = lambda one: seen.append(status(one.study, sweep, 100.0))  # noqa: E731
    session = sweep_session(sweep, tmp_path, FakeMaker(), [], watch=watch)
    session.run()
    assert any(one.running for one in seen)
    found = status(open_toy(sweep, tmp_path), sweep, 0.0)
    assert not found.running
    assert sum(found.counts.values()) == 6
    assert found.best[0].value == max(one.value for one in found.best if one.value is not None)
    assert json.loads(json.dumps(found.to_json()))["best"][0]["params"] == found.best[0].params
    assert render(found, sweep)


def test_the_best_trials_become_recipes_that_say_what_they_are(tmp_path: Path) -> None:
    from kit.config import load_recipe

    sweep = toy_sweep(budget={"trials": 12}, confirm={"winners": 1})
    sweep_session(sweep, tmp_path, FakeMaker(), []).run()
    study = open_toy(sweep, tmp_path)
    paths = promote(study, sweep, BASE, 2, tmp_path / "recipes", "c")
    assert len(paths) == 2
    (tested,) = read_confirmed(study)
    assert paths[0].stem == tested.recipe, "what was tested comes first"
    assert f"On fresh seeds and folds {tested.gain:+.4f}" in paths[0].read_text()
    trial = next(one for one in study.trials if one.number == tested.trial)
    assert load_recipe(paths[0]) == trial_recipe(sweep, BASE, trial)


def test_nothing_can_be_promoted_before_a_trial_is_done(tmp_path: Path) -> None:
    sweep = toy_sweep()
    with pytest.raises(SweepError, match="no trial is finished yet. Run it first: kit sweep toy"):
        promote(open_toy(sweep, tmp_path), sweep, BASE, 1, tmp_path, "c")


def test_the_morning_page_holds_its_figures(tmp_path: Path) -> None:
    sweep = toy_sweep(budget={"trials": 8}, confirm=NO_TEST, pruning=NO_PRUNING)
    sweep_session(sweep, tmp_path, FakeMaker(), []).run()
    text, page = write_summary(open_toy(sweep, tmp_path), sweep, tmp_path)
    assert (tmp_path / "summary.txt").read_text() == text
    shown = page.read_text()
    assert shown.count("data:image/png;base64,") == 2  # no importances: eight trials cannot tell them
    assert "8 complete" in shown
    stored = StoredSummary.read(tmp_path / "summary.json")
    assert (stored.sweep, stored.text) == (sweep.name, text)
    assert [title for title, _ in stored.figures] == ["History", "Slices"]
    assert all(base64.b64decode(data).startswith(b"\x89PNG") and data in shown for _, data in stored.figures)


# ---------------------------------------------------------------------------------------------------- one figure
def test_a_gain_holds_where_it_is_more_than_two_standard_errors() -> None:
    made = Confirmed(3, "r", 0.83, 0.05, 0.80, 0.78, [0.01, 0.02, 0.03, 0.02])
    assert made.gain == pytest.approx(0.02)
    assert made.se == pytest.approx((2 / 3) ** 0.5 * 0.01 / 2)
    assert made.holds
    assert made.selection == pytest.approx(0.03)
    assert not Confirmed(3, "r", 0.83, 0.05, 0.80, 0.78, [0.05]).holds, "one pair proves nothing"
