"""`kit clean` and `kit data` as a user starts them."""

from __future__ import annotations

import json

import numpy as np
from click.testing import CliRunner
from conftest import Toy
from PIL import Image

from kit.artefact import read_npz
from kit.cli import group
from kit.data.cleaning import decisions
from kit.oof_store import load_run
from kit.workspace import Workspace


def run(*arguments: str) -> str:
    return CliRunner().invoke(group, list(arguments), catch_exceptions=False, standalone_mode=False).stdout


def with_blanks(toy: Toy, count: int) -> None:
    """The first images become single colours."""
    arrays = read_npz(toy.data)
    arrays["images"][:count] = np.arange(100, 100 + count)[:, None, None, None]
    np.savez(toy.data, **arrays)


def test_suspicions_over_the_share_are_listed_and_dropped_once_accepted(toy: Toy) -> None:
    with_blanks(toy, 4)
    said = run("clean", "--contest", "toy")
    file = toy.workspace.oof("toy") / "clean.csv"
    table = decisions.read(file)
    assert (table["reason"][:4] == "blank").all()
    assert table["keep"].all()
    assert "blank: 4 rows are suspected but kept" in said
    assert "4 of 60 images would go (over [clean] max_share = 0.02)" in said
    command = "kit clean --contest toy --accept blank"
    assert command in said
    assert command in run("folds", "--contest", "toy")
    run(*command.split()[1:])
    table = decisions.read(file)
    assert not table["keep"][:4].any()
    assert table["keep"].sum() == 56
    assert not table["overruled"].any()
    said = run("clean", "--contest", "toy")
    assert "4 dropped (4 blank), 56 kept" in said
    assert "suspected" not in said
    run("clean", "--contest", "toy", "--accept", "outlier")
    assert decisions.read(file)["keep"].sum() == 56


def test_a_repeat_of_k_fold_is_trained_beside_the_first(toy: Toy) -> None:
    file = toy.file("contests", "toy")
    file.write_text(file.read_text().replace("n_splits = 2", "n_splits = 2\nrepeats = 2"))
    run("train", "tiny", "--contest", "toy", "--repeat", "1")
    again = toy.prepared().repeat(1)
    found = load_run(Workspace(toy.root / "repeats" / "1").run("toy", "tiny"))
    assert dict(zip(found.ids, found.folds)) == dict(zip(again.ids, again.folds))
    assert not toy.workspace.run("toy", "tiny").exists()
    assert "tiny" in run("leaderboard", "--contest", "toy", "--root", "repeats/1")


def test_the_data_report_is_printed_and_drawn(toy: Toy) -> None:
    said = run("data", "--contest", "toy")
    assert "60 images, 60 kept" in said
    assert "cleaning dropped nothing" in said
    assert "train against test" not in said
    with Image.open(toy.workspace.oof("toy") / "data.png") as sheet:
        assert sheet.width > 900


def test_test_images_are_compared_when_given(toy: Toy) -> None:
    rng = np.random.default_rng(1)
    test = rng.integers(60, 160, (50, 16, 16, 3)) // 4
    np.savez(toy.root / "test.npz", images=test.astype(np.uint8))
    found = json.loads(run("data", "--contest", "toy", "--test", "test.npz", "--json"))
    assert found["adversarial"]["auc"] > 0.95
    assert "plainly shifted" in found["adversarial"]["advice"]
    assert [one["rows"] for one in found["classes"]] == [20, 20, 20]
