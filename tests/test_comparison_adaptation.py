"""Batches on which adaptation is tried, what is decided from them, and `kit adapt`."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from kit.commands.adapt import adapt, method_rows
from kit.comparison import adaptation as trial_module
from kit.comparison.adaptation import SOURCE, Outcome, decide, gains, trial, wins
from kit.comparison.situations import COUNTS, LABORATORY, MIXED, ONE_CLASS, ONE_SHIFT, batches
from kit.errors import OofError
from kit.inference.adapt import METHODS
from kit.oof_store import load_run
from kit.packaging.adaptation import OFF
from kit.shifts.battery import Battery
from kit.shifts.laboratory import in_laboratory


# ------------------------------------------------------------------------------------------------- situations
@pytest.fixture
def made(toy):
    prepared, battery = toy.prepared(), Battery.from_config(toy.contest().shift)
    return prepared, battery, list(batches(prepared, 1, battery, 20))


def test_every_situation_has_its_batches_of_held_out_rows(made) -> None:
    prepared, _, found = made
    counts = pd.Series([one.situation for one in found]).value_counts().to_dict()
    assert counts == COUNTS
    for one in found:
        assert set(prepared.folds[one.rows]) == {1}
        assert len(one.rows) == len(set(one.rows)) == len(one.images)
        assert len(one.rows) <= 20
        assert one.images.dtype == np.uint8


def test_a_batch_of_one_shift_is_what_the_battery_makes_of_its_rows(made) -> None:
    prepared, battery, found = made
    one = next(batch for batch in found if batch.situation == ONE_SHIFT)
    cell = battery.names.index(one.shift)
    wanted = battery.apply(prepared.images[one.rows], prepared.ids[one.rows], np.full(len(one.rows), cell))
    assert np.array_equal(one.images, wanted)
    shifts = {batch.shift.split(".")[0] for batch in found if batch.situation == ONE_SHIFT}
    assert shifts == {"noise", "illumination"}  # all families but mixtures, in turn


def test_mixed_batches_hold_the_images_that_scoring_sees(made) -> None:
    prepared, battery, found = made
    one = next(batch for batch in found if batch.situation == MIXED)
    cells = battery.draw(prepared.ids)[one.rows, 0]
    assert len(set(cells.tolist())) > 1
    assert np.array_equal(one.images, battery.apply(prepared.images[one.rows], prepared.ids[one.rows], cells))


def test_batches_of_one_class_hold_one(made) -> None:
    prepared, _, found = made
    for one in found:
        assert (len(set(prepared.labels[one.rows])) == 1) == (one.situation == ONE_CLASS)


def test_batches_are_the_same_for_every_recipe(made) -> None:
    prepared, battery, found = made
    for one, other in zip(found, batches(prepared, 1, battery, 20), strict=True):
        assert np.array_equal(one.images, other.images)
    assert {one.shift for one in found if one.situation == LABORATORY} == {f"laboratory {n}" for n in range(5)}


# ------------------------------------------------------------------------------------------------- laboratory
def test_a_laboratory_treats_equal_images_alike_and_another_otherwise() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
    images = np.stack([image, image, image[::-1]])
    here, there = in_laboratory(images, 0), in_laboratory(images, 1)
    assert here.shape == images.shape
    assert here.dtype == np.uint8
    assert np.array_equal(here[0], here[1])
    assert not np.array_equal(here, there)
    assert not np.array_equal(here[0], image)
    assert np.array_equal(here, in_laboratory(images, 0))


# --------------------------------------------------------------------------------------------------- decision
def outcomes_of(by_method: dict[str, dict[str, list[float]]]) -> list[Outcome]:
    """Accuracies batch by batch: method -> situation -> values; methods that are left out do as the source."""
    table = {method: by_method.get(method, by_method[SOURCE]) for method in (SOURCE, *METHODS)}
    return [
        Outcome(0, situation, "", method, value, value, "")
        for method, places in table.items()
        for situation, values in places.items()
        for value in values
    ]


SOURCE_SCORES = {ONE_SHIFT: [0.7, 0.6, 0.8], MIXED: [0.7, 0.7, 0.7]}


def test_a_method_must_win_in_both() -> None:
    pure = {"bn": {ONE_SHIFT: [0.9, 0.8, 0.95], MIXED: [0.6, 0.7, 0.65]}}
    assert decide(5.0, outcomes_of({SOURCE: SOURCE_SCORES, **pure}), (1 / 3,) * 3).method == OFF
    both = {"bn_mean": {ONE_SHIFT: [0.8, 0.7, 0.9], MIXED: [0.75, 0.74, 0.76]}}
    better = {"tent": {ONE_SHIFT: [0.95, 0.9, 0.95], MIXED: [0.71, 0.72, 0.71]}}
    found = decide(5.0, outcomes_of({SOURCE: SOURCE_SCORES, **pure, **both, **better}), (1 / 3,) * 3)
    assert found.method == "bn_mean"  # the larger of the smaller gains
    assert found.gains["bn_mean"][MIXED] == pytest.approx(0.05)
    assert found.of == 5.0


def test_a_gain_within_its_error_is_none() -> None:
    assert wins(np.array([0.02, 0.03, 0.01]))
    assert not wins(np.array([0.2, -0.15, 0.0]))
    assert not wins(np.zeros(4))
    assert not wins(np.array([0.5]))


def test_gains_pair_the_batches() -> None:
    found = outcomes_of({SOURCE: SOURCE_SCORES, "bn": {ONE_SHIFT: [0.8, 0.5, 0.9], MIXED: [0.7] * 3}})
    np.testing.assert_allclose(gains(found, "bn", ONE_SHIFT), [0.1, -0.1, 0.1])


# ------------------------------------------------------------------------------------------------------ trial
def test_small_batches_are_left_as_they_are(trained) -> None:
    arguments = ["tiny", "--contest", "toy", "--data", str(trained.data), "--root", str(trained.root), "--batch", "12"]
    printed = CliRunner().invoke(adapt, arguments, catch_exceptions=False).output
    folder = trained.workspace.run("toy", "tiny")
    assert json.loads((folder / "adaptation.json").read_text())["method"] == OFF
    assert "adaptation off" in printed
    table = pd.read_csv(folder / "adaptation.csv")
    by_method = table.groupby("method")["accuracy"].mean()
    assert by_method.nunique() == 1  # the guard refuses twelve images
    assert table["unguarded"].groupby(table["method"]).mean().nunique() > 1
    assert table.loc[table["method"] != SOURCE, "refused"].str.contains("fewer than 200").all()


def test_without_the_guard_the_methods_predict(trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_module, "refusal", lambda proba: "")
    run, prepared = load_run(trained.workspace.run("toy", "mini")), trained.prepared()
    battery = Battery.from_config(trained.contest().shift)
    said: list[str] = []
    found = trial(run, "toy", prepared, battery, trained.workspace, 20, said.append)
    assert len(found) == 2 * sum(COUNTS.values()) * (1 + len(METHODS))
    assert all(one.accuracy == one.unguarded for one in found)
    assert len(said) == 2
    rows = {row["method"]: row for row in method_rows(found)}
    assert set(rows) == {SOURCE, *METHODS}
    source = [one.accuracy for one in found if (one.method, one.situation) == (SOURCE, MIXED)]
    assert rows[SOURCE][MIXED] == pytest.approx(np.mean(source))


def test_a_run_of_other_folds_is_refused(trained) -> None:
    run, prepared = load_run(trained.workspace.run("toy", "mini")), trained.prepared()
    battery, other = Battery.from_config(trained.contest().shift), replace(prepared, fold_digest="other")
    with pytest.raises(OofError, match="kit train mini --contest toy"):
        trial(run, "toy", other, battery, trained.workspace, 20, print)


def test_a_clean_battery_tells_nothing(toy) -> None:
    path = toy.file("contests", "toy")
    battery = 'battery = ["noise.gaussian", "illumination.darken", "mixture"]'
    path.write_text(path.read_text().replace(battery, 'battery = "clean"'))
    found = CliRunner().invoke(adapt, ["--contest", "toy", "--data", str(toy.data), "--root", str(toy.root)])
    assert "clean" in str(found.exception)
