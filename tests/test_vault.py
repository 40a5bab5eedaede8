from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Toy, resealed

from kit.artefact import read_json, read_npz, write_npz
from kit.config import FoldsConfig, ShiftConfig
from kit.data.cleaning.grouping import by_key
from kit.data.folds import VAULT, check_folds, make_folds, split
from kit.data.vault import draw_vault
from kit.ensemble.blend import blend
from kit.ensemble.external import without_shifts
from kit.ensemble.kinds.combine import equal
from kit.ensemble.pool import make_pool
from kit.ensemble.scoring import averaging
from kit.ensemble.scoring.averaging import assumed_gain, averaging_gain, by_precision, recorded_gain
from kit.ensemble.scoring.expected import with_folds
from kit.ensemble.tables import averaging_line
from kit.ensemble.view_choice import use_views
from kit.errors import OofError
from kit.oof_store import OofRun, VaultRows, load_run
from kit.train.run import train_recipe

ROWS, CLASSES = 3000, 6


def drawn(count: int, share: float = 0.04, n_splits: int = 5, groups: np.ndarray | None = None) -> np.ndarray:
    labels = np.random.default_rng(0).integers(CLASSES, size=count)
    return draw_vault(labels, by_key(np.arange(count) if groups is None else groups), share, n_splits, 0)


@pytest.mark.parametrize(("rows", "held"), [(10000, 400), (3000, 120), (2000, 100), (1300, 100), (1200, 0), (60, 0)])
def test_a_vault_has_its_share_but_at_least_a_hundred_rows_and_none_where_that_is_dear(rows: int, held: int) -> None:
    assert abs(int(drawn(rows).sum()) - held) <= CLASSES / 2


def test_a_vault_can_be_larger_or_left_out() -> None:
    assert drawn(ROWS, share=0.1).sum() == pytest.approx(300, abs=3)
    assert not drawn(ROWS, share=0.0).any()
    assert not drawn(ROWS, n_splits=1).any(), "one network a recipe is all that is sent"


def test_groups_lie_in_the_vault_whole_or_not_at_all() -> None:
    groups = np.random.default_rng(1).integers(900, size=ROWS)
    held = drawn(ROWS, groups=groups)
    assert held.sum() > 60
    assert not np.intersect1d(groups[held], groups[~held]).size


def test_a_rare_class_keeps_a_row_for_every_fold() -> None:
    labels = np.zeros(ROWS, dtype=np.int64)
    labels[:5] = 1
    held = draw_vault(labels, np.arange(ROWS), 0.4, 5, 0)
    assert held.sum() == pytest.approx(1200, abs=5)
    assert not held[:5].any()


@pytest.mark.parametrize("kind", ["group_kfold", "column"])
def test_no_fold_trains_on_the_vault_or_holds_it_out(kind: str) -> None:
    rng = np.random.default_rng(0)
    labels, ids = rng.integers(CLASSES, size=ROWS), np.array([f"{row:05d}" for row in range(ROWS)])
    column = (np.arange(ROWS) % 3).astype(str)
    config = FoldsConfig(kind=kind, n_splits=3, repeats=2 if kind == "group_kfold" else 1)
    table = make_folds(ids, labels, np.arange(ROWS), config, 0, column=column)
    vault = (table["fold"] == VAULT).to_numpy()
    assert vault.sum() == pytest.approx(120, abs=3)
    assert kind == "column" or check_folds(table, labels) == []
    for name in [name for name in table.columns if name.startswith("fold")]:
        folds = table[name].to_numpy()
        np.testing.assert_array_equal(folds == VAULT, vault, "every repeat leaves the same rows out")
        for fold in range(3):
            part = split(folds, fold)
            assert not np.isin(np.flatnonzero(vault), np.concatenate([part.train, part.inner, part.held_out])).any()


def test_a_holdout_has_none_as_one_network_a_recipe_is_sent() -> None:
    ids = np.array([f"{row:05d}" for row in range(ROWS)])
    labels = np.arange(ROWS) % CLASSES
    assert not (make_folds(ids, labels, np.arange(ROWS), FoldsConfig(kind="holdout"), 0)["fold"] == VAULT).any()


def test_folds_from_before_there_was_a_vault_stand(toy: Toy) -> None:
    from kit.artefact import write_json

    toy.prepared()
    record = toy.workspace.oof("toy") / "prepared.json"
    file = toy.workspace.oof("toy") / "folds.csv"
    before = read_json(record)
    assert before["folds"].pop("vault") == "0.04"
    write_json(record, before)
    text = file.read_text().replace(",0,", ",5,").replace(",1,", ",0,").replace(",5,", ",1,")  # a person's edit
    file.write_text(text)
    toy.prepared()
    assert file.read_text() == text


# ------------------------------------------------------------------------------------------- from images to a blend
@pytest.fixture
def with_vault(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> Toy:
    monkeypatch.setattr("kit.data.vault.LEAST", 12)
    toy.file("contests", "toy").write_text(
        toy.file("contests", "toy").read_text().replace("[folds]", "[folds]\nvault = 0.2")
    )
    return toy


def test_every_network_predicts_the_vault_and_the_blend_says_what_averaging_adds(with_vault: Toy) -> None:
    toy = with_vault
    prepared = toy.prepared()
    assert len(prepared.vault) == 12
    for name in ("tiny", "mini"):
        train_recipe(toy.contest(), prepared, toy.recipe(name), toy.workspace, lambda line: None)
    runs = [load_run(toy.workspace.run("toy", name)) for name in ("tiny", "mini")]
    held = runs[1].vault
    assert held is not None
    assert set(held.ids) == set(prepared.ids[prepared.vault])
    assert not np.intersect1d(held.ids, runs[1].ids).size
    assert sorted([*held.ids, *runs[1].ids]) == sorted(prepared.ids), "every kept row is in a fold or in the vault"
    assert held.logits.shape == (2, 12, 2, 3)
    assert held.shifted.shape == (2, 12, 2, 2, 3)
    made = blend(runs, "all")
    gain = made.expected.averaging
    assert gain is not None
    assert (gain.rows, gain.folds) == (12, 2)
    shifted = make_pool(runs)
    assert shifted.vault is not None
    both = shifted.vault.proba.mean(axis=1).mean(axis=0)[:, 1:].argmax(-1) == held.labels[:, None]
    assert gain.averaged == pytest.approx(both.mean())
    made.to_json(toy.root / "blend.json")
    assert type(made).from_json(toy.root / "blend.json") == made


def test_a_vault_that_lacks_rows_or_was_trained_on_is_refused(with_vault: Toy) -> None:
    toy = with_vault
    train_recipe(toy.contest(), toy.prepared(), toy.recipe("tiny"), toy.workspace, lambda line: None)
    folder = toy.workspace.run("toy", "tiny")
    path = folder / "fold1" / "vault.npz"
    good = read_npz(path)
    write_npz(path, **{key: array[:-1] for key, array in good.items()})
    resealed(folder)
    with pytest.raises(OofError, match=r"has 11 of 12 rows"):
        load_run(folder)
    write_npz(path, **good | {"ids": good["ids"][::-1]})
    resealed(folder)
    with pytest.raises(OofError, match="all folds must predict the same vault rows"):
        load_run(folder)
    for fold in range(2):
        stolen = read_npz(folder / "fold0" / "oof.npz")["ids"][:12]
        write_npz(folder / f"fold{fold}" / "vault.npz", **good | {"ids": stolen})
    resealed(folder)
    with pytest.raises(OofError, match="rows of the vault must be in no fold, but 12 are"):
        load_run(folder)
    path.unlink()
    with pytest.raises(Exception, match=r"vault\.npz"):
        load_run(folder)


# ----------------------------------------------------------------------------------------------- what averaging adds
def simulated(seed: int, rows: int = 3000, held: int = 120, folds: int = 3, own: float = 1.6) -> tuple[OofRun, float]:
    """A recipe whose networks differ, and how much more than one of them the average of its folds really gets right."""
    rng = np.random.default_rng(seed)
    count = 40000

    def logits(labels: np.ndarray, networks: int) -> np.ndarray:
        common = 1.4 * np.eye(CLASSES)[labels] + rng.normal(size=(len(labels), CLASSES))
        return (common + own * rng.normal(size=(networks, len(labels), CLASSES))).astype(np.float32)

    def softmax(values: np.ndarray) -> np.ndarray:
        raised = np.exp(values - values.max(-1, keepdims=True))
        return np.asarray(raised / raised.sum(-1, keepdims=True))

    labels, others, hidden = (rng.integers(CLASSES, size=size) for size in (rows, held, count))
    seen = softmax(logits(hidden, folds))
    truth = float((seen.mean(axis=0).argmax(-1) == hidden).mean() - (seen.argmax(-1) == hidden).mean())
    ids = np.array([f"{row:05d}" for row in range(rows + held)])
    vault = VaultRows(
        ids[rows:], others, logits(others, folds)[:, :, None], np.zeros((folds, held, 0, 1, CLASSES), np.float32),
        np.zeros((held, 0), np.int64),
    )  # fmt: skip
    run = OofRun(
        "net", ids[:rows], np.arange(rows) % folds, labels, logits(labels, 1)[0][:, None],
        np.zeros((rows, 0, 1, CLASSES), np.float32), np.zeros((rows, 0), np.int64), (), ("identity",),
        {"digests": {"data": "d", "folds": "f"}}, vault,
    )  # fmt: skip
    return run, truth


def test_the_score_to_expect_is_that_of_all_folds_and_its_interval_holds() -> None:
    misses, errors, raw = [], [], []
    for seed in range(24):
        run, truth = simulated(seed)
        made = blend([run], "best1", "clean", hidden_rows=10**9)
        gain = made.expected.averaging
        assert gain is not None
        misses.append(gain.gain - truth)
        raw.append(gain.averaged - gain.single - truth)
        errors.append(gain.se)
        assert made.expected.point == pytest.approx(made.nested.clean + gain.gain)
    assert truth > 0.04, "averaging matters here"
    assert abs(np.mean(misses)) < 0.015
    off = float(np.sqrt(np.mean(np.square(misses))))
    assert off < 0.75 * float(np.sqrt(np.mean(np.square(raw)))), "better than the plain difference on few rows"
    assert 0.5 < off / np.mean(errors) < 1.6, "and it knows how far off it is"


def test_fewer_folds_lose_what_the_vault_says_they_do() -> None:
    run, five = simulated(1, folds=5, own=1.0)
    made = blend([run], "best1", "clean")
    gain = made.expected.averaging
    assert gain is not None
    three, alone = with_folds(made.expected, 3), with_folds(made.expected, 1)
    assert alone.point == pytest.approx(made.nested.clean)
    assert alone.point < three.point < made.expected.point
    assert three.averaging is not None
    assert three.averaging.folds == 3
    really = simulated(1, folds=3, own=1.0)[1] / five  # on 40,000 rows
    assert three.averaging.gain / gain.gain == pytest.approx(really, abs=0.12)
    assert with_folds(made.expected, 5) == made.expected


def test_networks_that_agree_gain_nothing() -> None:
    run, _ = simulated(0, own=0.0)
    gain = blend([run], "best1", "clean").expected.averaging
    assert gain is not None
    assert gain.gain == 0.0
    assert gain.averaged == gain.single


@pytest.mark.parametrize("folds", [3, 5])
@pytest.mark.parametrize("agreement", [0.65, 0.75, 0.85])
def test_without_a_vault_averaging_is_taken_to_add_what_it_did_in_recorded_blends(folds: int, agreement: float) -> None:
    run, truth = simulated(0, folds=folds, own=(1 / agreement - 1) ** 0.5)
    made = blend([replace(run, vault=None)], "best1", "clean")
    gain = made.expected.averaging
    assert gain is not None
    assert gain.rows == 0
    assert gain.folds == folds
    assert gain.gain > 0
    assert abs(gain.gain - truth) < 1.5 * gain.se
    assert made.expected.point == pytest.approx(made.nested.clean + gain.gain)
    assert "from recorded blends" in averaging_line(gain)
    assert with_folds(made.expected, 1).point == pytest.approx(made.nested.clean)


def test_recipes_that_are_blended_gain_less_by_further_folds_than_one_alone() -> None:
    run, _ = simulated(0)
    other = replace(run, recipe="older", vault=None)
    both = blend([run, other], "all", "clean").expected.averaging
    alone = blend([other], "best1", "clean").expected.averaging
    assert both is not None
    assert alone is not None
    assert 0 < both.gain < 0.6 * alone.gain


@pytest.mark.parametrize("change", ["fold", "metric", "external"])
def test_what_averaging_adds_is_not_assumed_where_it_is_unknown(change: str) -> None:
    run, _ = simulated(0)
    pool = make_pool([replace(run, vault=None)], "clean")
    if change == "fold":
        pool = replace(pool, folds=np.zeros_like(pool.folds))
    elif change == "metric":
        pool = replace(pool, metric="log_loss")
    else:
        pool = replace(pool, entries=(replace(pool.entries[0], external="theirs.csv"),))
    assert assumed_gain(equal("mean", (0,)), pool, 0.6) is None


def test_the_vault_follows_views_members_and_stripped_shifts() -> None:
    run, _ = simulated(0)
    assert run.vault is not None
    double = replace(
        run, recipe="two", views=("identity", "hflip"), logits=run.logits.repeat(2, axis=1),
        shifted=run.shifted.repeat(2, axis=2),
        vault=replace(
            run.vault, logits=run.vault.logits.repeat(2, axis=2), shifted=run.vault.shifted.repeat(2, axis=3)
        ),
    )  # fmt: skip
    seen = use_views(double, ("hflip",))
    assert seen.vault is not None
    np.testing.assert_array_equal(seen.vault.logits, run.vault.logits)
    assert without_shifts(run).vault is not None
    pool = make_pool([run, double], "clean")
    one = pool.members([1]).vault
    assert one is not None
    assert one.proba.shape == (1, 3, 120, 1, CLASSES)


def test_averaging_adds_no_more_than_half_of_what_is_wrong() -> None:
    run, _ = simulated(3)
    pool = make_pool([run], "clean")
    assert pool.vault is not None
    ones = np.ones((len(run.ids), 1))
    proba = np.full((len(run.ids), 1, CLASSES), 0.1)
    proba[np.arange(len(run.ids)), 0, pool.labels] = 0.5  # all right, by little
    wrong = np.arange(20)
    for count, most in ((0, 0.0), (20, 1.1 * 0.5 * 20 / len(run.ids))):
        rows = wrong[:count]
        proba[rows, 0, pool.labels[rows]] = 0.05
        gain = averaging_gain(equal("mean", (0,)), pool, pool.vault, proba, ones, np.zeros((120, 1)))
        assert gain.gain <= most + 1e-12


def easy(seed: int, rows: int = 2400, held: int = 100, folds: int = 4) -> tuple[OofRun, float, float]:
    """Images of which one in fifty is wrong for all networks alike, and shifted ones on which they differ.

    With how much more than one of them the average of its folds gets right of clean images, and what is wrong.
    """
    rng = np.random.default_rng(seed)
    count = 60000

    def logits(labels: np.ndarray, networks: int, own: float, level: float) -> np.ndarray:
        odd = rng.random(len(labels)) < 0.02
        common = level * np.eye(CLASSES)[labels]
        common[odd] = 5.0 * np.eye(CLASSES)[(labels[odd] + 1) % CLASSES]
        common = common + rng.normal(size=common.shape)
        return (common + own * rng.normal(size=(networks, *common.shape))).astype(np.float32)

    labels, others, hidden = (rng.integers(CLASSES, size=size) for size in (rows, held, count))
    seen = logits(hidden, folds, 1.0, 9.0)
    single = float((seen.argmax(-1) == hidden).mean())
    truth = float((seen.mean(axis=0).argmax(-1) == hidden).mean()) - single
    ids = np.array([f"{row:05d}" for row in range(rows + held)])
    cell = rng.integers(2, size=(rows + held, 1))
    vault = VaultRows(
        ids[rows:], others, logits(others, folds, 1.0, 9.0)[:, :, None],
        logits(others, folds, 2.5, 3.0)[:, :, None, None], cell[rows:],
    )  # fmt: skip
    run = OofRun(
        "net", ids[:rows], np.arange(rows) % folds, labels, logits(labels, 1, 1.0, 9.0)[0][:, None],
        logits(labels, 1, 2.5, 3.0)[0][:, None, None], cell[:rows], ("blur.motion@2", "noise.shot@3"), ("identity",),
        {"digests": {"data": "d", "folds": "f"}}, vault,
    )  # fmt: skip
    return run, truth, 1 - single


def test_averaging_is_not_promised_to_fix_what_all_networks_get_wrong() -> None:
    """Of 2,500 handwritten digits half of the errors were promised to go: the promise was a point too high."""
    gains = []
    for seed in range(6):
        run, truth, wrong = easy(seed)
        assert truth < 0.05 * wrong
        gain = blend([run], "best1", "clean").expected.averaging
        assert gain is not None
        assert abs(gain.gain - truth) < 2.5 * gain.se
        gains.append(gain.gain / wrong)
    assert np.mean(gains) < 0.4


@pytest.mark.parametrize("score", [0.6, 0.9, 0.99])
def test_recorded_blends_promise_no_more_than_a_quarter_of_the_errors(score: float) -> None:
    run, _ = simulated(0, folds=5)
    pool = make_pool([replace(run, vault=None)], "clean")
    assert 0 < recorded_gain(equal("mean", (0,)), pool, score) <= 0.25 * (1 - score) + 1e-12


def test_a_flow_unlike_recorded_blends_is_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under shifts it told of a tenth of what the vault showed, and was all but sure of it."""
    run, truth = simulated(3)
    pool = make_pool([run], "clean")
    assert pool.vault is not None
    arguments = (equal("mean", (0,)), pool, pool.vault, pool.proba[0], np.ones((len(run.ids), 1)), np.ones((120, 1)))
    monkeypatch.setattr(averaging, "_flow", lambda *_: 0.0)
    silent = averaging_gain(*arguments)
    assert silent.se > 0.1 * truth
    assert silent.gain > 0.1 * truth, "what the vault shows directly counts instead"
    monkeypatch.setattr(averaging, "APART", 0.0)
    believed = averaging_gain(*arguments)
    assert believed.gain < 0.01 * truth
    assert believed.se < 0.02 * truth


def test_what_the_same_rows_tell_twice_is_no_surer_for_it() -> None:
    nothing = (0.5, float("inf"))
    assert by_precision([(0.01, 0.004), (0.01, 0.004)], nothing) == pytest.approx((0.01, 0.004))
    assert by_precision([(0.01, 0.004), nothing], (0.03, 0.004)) == pytest.approx((0.02, 0.004 / np.sqrt(2)))
    value, error = by_precision([(0.0, 0.002), (0.01, 0.004)], nothing)
    assert value == pytest.approx(0.002)
    assert 0.002 < error < 0.004


def test_rows_that_no_weight_falls_on_leave_it_to_the_flow() -> None:
    run, truth = simulated(3)
    pool = make_pool([run], "clean")
    assert pool.vault is not None
    proba, ones = pool.proba[0], np.ones((len(run.ids), 1))
    gain = averaging_gain(equal("mean", (0,)), pool, pool.vault, proba, ones, np.zeros((120, 1)))
    assert gain.gain == pytest.approx(truth, abs=0.03)
    assert (gain.single, gain.averaged, gain.averaged_se) == (None, None, None)
    json.dumps(asdict(gain), allow_nan=False)
    few = np.zeros((120, 1))
    few[:4] = 30.0
    told = averaging_gain(equal("mean", (0,)), pool, pool.vault, proba, ones, few)
    assert told.averaged is None, "a handful of images says nothing"
    few[:12] = 10.0
    told = averaging_gain(equal("mean", (0,)), pool, pool.vault, proba, ones, few)
    assert told.averaged_se is not None
    assert told.averaged_se >= 0.5 / 12


def test_the_vault_is_scored_again_with_the_rest_where_the_shifts_change(with_vault: Toy) -> None:
    toy = with_vault
    prepared = toy.prepared()
    train_recipe(toy.contest(), prepared, toy.recipe("tiny"), toy.workspace, lambda line: None)
    other = toy.contest().model_copy(update={"shift": ShiftConfig(battery="clean")})
    train_recipe(other, prepared, toy.recipe("tiny"), toy.workspace, lambda line: None)
    held = load_run(Path(toy.workspace.run("toy", "tiny"))).vault
    assert held is not None
    assert held.shifted.shape[2] == 0
