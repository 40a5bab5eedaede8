"""`kit blend` as a contestant types it."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from kit.artefact import read_json, write_json
from kit.cli import group
from kit.errors import EnsembleError
from kit.oof_store import load_run
from kit.platforms import ledger


def run(*arguments):
    found = CliRunner().invoke(group, [*arguments, "--contest", "toy"], catch_exceptions=False, standalone_mode=False)
    assert found.exit_code == 0
    return found.stdout


def written(toy, name):
    return read_json(toy.workspace.oof("toy") / "blends" / f"{name}.json")


def test_scores_are_shown_beside_their_optimism_and_the_bar(trained):
    shown = run("blend", "weights")
    made = written(trained, "weights")
    seen, held = made["resubstitution"]["shifted"], made["nested"]["shifted"]
    assert f"resubstitution {seen:.4f}, nested {held:.4f}, optimism {seen - held:+.4f}" in shown
    assert f"equal weights {made['equal']['shifted']:.4f}" in shown
    assert f"{made['expected']['low']:.4f} to {made['expected']['high']:.4f}" in shown


def test_a_budget_binds_and_the_front_is_drawn(trained):
    shown = run("blend", "all", "--max-members", "1", "--front", "front.svg")
    assert len(written(trained, "all")["members"]) == 1
    assert "Accuracy against cost" in shown
    assert "the blend itself" in shown
    assert (trained.root / "front.svg").read_text().startswith("<?xml")
    assert written(trained, "all")["options"]["costs"].keys() == {"tiny", "mini"}


def test_a_budget_nobody_fits_is_refused(trained):
    with pytest.raises(EnsembleError, match="the budget must hold at least one member"):
        run("blend", "all", "--max-mb", "0.000001")


def external(toy, path):
    """What a perfect oracle says of every row, clean and shifted."""
    own = load_run(toy.workspace.run("toy", "tiny"))
    proba = np.eye(3)[own.labels] * 0.97 + 0.01
    np.savez(path, ids=own.ids, proba=proba, shifted_proba=proba[:, None].repeat(own.cells.shape[1], axis=1))
    return proba, own.ids


def test_predictions_made_elsewhere_enter(trained):
    external(trained, "oracle.npz")
    run("blend", "best1", "--external", "oracle.npz")
    member = written(trained, "best1")["members"][0]
    assert (member["recipe"], member["external"]) == ("oracle", "oracle.npz")
    assert member["score"]["clean"] == 1.0


def test_a_csv_without_shifted_rows_is_refused_where_shifts_are_expected(trained):
    proba, ids = external(trained, "oracle.npz")
    pd.DataFrame(proba, columns=["red", "green", "blue"]).assign(id=ids).to_csv("oracle.csv", index=False)
    with pytest.raises(EnsembleError, match=r"oracle\.csv: has no shifted_proba"):
        run("blend", "best1", "--external", "oracle.csv")


def test_a_known_prior_becomes_a_bias(trained):
    run("blend", "all", "--prior", "0.8,0.1,0.1")
    bias = written(trained, "all")["combiner"]["bias"]
    assert bias == pytest.approx(np.log(3 * np.array([0.8, 0.1, 0.1])), abs=0.2)
    with pytest.raises(EnsembleError, match="--prior must be numbers"):
        run("blend", "all", "--prior", "a,b")


def test_views_and_families_can_be_left_out(trained):
    shown = run("blend", "all", "--choose-views", "--leave-family-out", "--compare")
    made = written(trained, "all")
    assert made["options"]["trained"]["mini"] == []
    assert "noise" in made["options"]["trained"]["tiny"]
    for title in ("Views: one, and the choice", "Every kind, nested", "Diversity of errors", "Calibration"):
        assert title in shown


def test_three_remote_scores_move_the_expected_one(trained):
    plain = json.loads(run("blend", "all", "--json"))["expected"]
    for number, score in enumerate((0.5, 0.45, 0.4)):
        path = trained.root / f"{number}.zip"
        path.write_bytes(bytes([number]))
        digest = ledger.sha256_file(path)
        values = {"zip": path.name, "sha256": digest, "contest": "toy", "platform": "toy", "members": []}
        ledger.append(trained.workspace, "packed", **values, clean=0.9, shifted=0.8 - number / 50, expected=0.3)
        ledger.record_score(trained.workspace, path, "1", score)
    assert ledger.remote_scores(trained.workspace, "toy", "shifted")[0] == pytest.approx([0.8, 0.78, 0.76])
    assert ledger.remote_scores(trained.workspace, "toy", "clean") == ([0.9] * 3, [0.5, 0.45, 0.4])
    assert ledger.remote_scores(trained.workspace, "other", "clean") == ([], [])
    moved = json.loads(run("blend", "all", "--json"))["expected"]
    assert moved["point"] < plain["point"]
    assert "3 remote scores, rank correlation of local and remote 1.00" in moved["note"]


@pytest.mark.parametrize(
    ("name", "instead"), [("rank5", "geometric5"), ("majority", "best5"), ("boosting+bias", "stack")]
)
def test_a_kind_that_never_won_names_what_did(trained, name, instead):
    with pytest.raises(EnsembleError, match=f"'{re.escape(name)}' is no longer there.*kit blend {instead}"):
        run("blend", name)


def test_a_blend_of_such_a_kind_is_not_packed(trained):
    run("blend", "all")
    path = trained.workspace.oof("toy") / "blends" / "all.json"
    write_json(path, read_json(path) | {"kind": "majority5"})
    with pytest.raises(EnsembleError, match="kit blend best5"):
        run("package", "all", "--out", "all.zip")


def test_the_command_that_went_names_what_to_use():
    found = CliRunner().invoke(group, ["soup", "one", "two"])
    assert found.exit_code == 2
    assert "Blend them: kit blend" in found.output
