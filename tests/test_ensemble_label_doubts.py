"""`kit labels` from the runs' predictions to the rows that a person's request drops or weighs down."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click import UsageError
from click.testing import CliRunner
from conftest import CLASSES, Toy, resealed
from PIL import Image

from kit.artefact import read_npz, write_npz
from kit.cli import group
from kit.data.cleaning import decisions
from kit.errors import DataError
from kit.oof_store import load_run

DOUBTED = 3
"""Rows that the planted predictions contradict."""


def run(*arguments: str) -> str:
    return CliRunner().invoke(group, list(arguments), catch_exceptions=False, standalone_mode=False).stdout


def clean_csv(toy: Toy) -> Path:
    return toy.workspace.oof("toy") / "clean.csv"


@pytest.fixture
def sure(trained: Toy) -> tuple[Toy, list[str]]:
    """The trained toy whose runs are sure of every label, but for three, where they are sure of the next class."""
    wrong = load_run(trained.workspace.run("toy", "tiny")).ids[[4, 20, 41]].tolist()
    rng = np.random.default_rng(0)
    for file in trained.workspace.oof("toy").glob("*/fold*/oof.npz"):
        arrays = read_npz(file)
        said = arrays["labels"] + np.isin(arrays["ids"], wrong)
        sure = np.where(np.isin(arrays["ids"], wrong), 7, 5)[:, None, None]
        logits = rng.normal(0, 0.3, arrays["logits"].shape) + sure * np.eye(3)[said % 3][:, None]
        write_npz(file, **(arrays | {"logits": logits.astype(np.float32)}))
        resealed(file.parent.parent)
    return trained, wrong


def test_doubted_labels_come_first_with_what_the_recipes_say(sure: tuple[Toy, list[str]]) -> None:
    toy, wrong = sure
    rows = json.loads(run("labels", "--contest", "toy", "--top", "5", "--json"))
    assert {row["id"] for row in rows[:DOUBTED]} == set(wrong)
    assert [row["issue"] for row in rows] == [True] * DOUBTED + [False] * 2
    assert all(row["suggested"] == CLASSES[(CLASSES.index(row["label"]) + 1) % 3] for row in rows[:DOUBTED])
    assert [row["votes"] for row in rows[:DOUBTED]] == [2] * DOUBTED
    table = pd.read_csv(toy.workspace.oof("toy") / "labels.csv")
    assert len(table) == len(toy.prepared().ids)
    with Image.open(toy.workspace.oof("toy") / "labels.png") as sheet:
        assert sheet.height > 400


def test_looking_changes_nothing(sure: tuple[Toy, list[str]]) -> None:
    toy, _ = sure
    before = clean_csv(toy).read_bytes()
    assert "3 labels doubted" in run("labels", "--contest", "toy", "--recipe", "tiny")
    assert clean_csv(toy).read_bytes() == before


def test_dropping_is_a_persons_edit_and_makes_the_runs_stale(sure: tuple[Toy, list[str]]) -> None:
    toy, wrong = sure
    said = run("labels", "--contest", "toy", "--drop")
    assert "3 rows dropped by hand" in said
    assert "It will not be blended" in said
    table = decisions.read(clean_csv(toy)).set_index("id")
    assert table.index[~table["keep"]].tolist() == sorted(wrong)
    assert table.loc[wrong, "overruled"].all()
    assert set(wrong).isdisjoint(toy.prepared().ids)


def test_many_rows_go_only_when_named_or_confirmed(
    sure: tuple[Toy, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    toy, wrong = sure
    monkeypatch.setattr("kit.ensemble.label_doubts.MOST", 0.04)
    before = clean_csv(toy).read_bytes()
    with pytest.raises(DataError, match=r"at most 4% of the rows are acted on at once, but 3 of 60 are doubted"):
        run("labels", "--contest", "toy", "--drop")
    assert clean_csv(toy).read_bytes() == before
    run("labels", "--contest", "toy", "--drop", *(part for one in wrong for part in ("--id", one)))
    assert len(toy.prepared().ids) == 57
    clean_csv(toy).write_bytes(before)
    run("labels", "--contest", "toy", "--drop", "--yes")
    assert len(toy.prepared().ids) == 57


def test_one_row_is_weighed_down(sure: tuple[Toy, list[str]]) -> None:
    toy, wrong = sure
    run("labels", "--contest", "toy", "--weight", "0.25", "--id", wrong[1])
    prepared = toy.prepared()
    assert prepared.weights is not None
    assert prepared.ids[prepared.weights < 1].tolist() == [wrong[1]]
    assert prepared.weights.min() == 0.25


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--drop", "--weight", "0.5"), "exclude each other"), (("--id", "00"), "says which rows --drop or --weight")],
)
def test_requests_that_contradict_themselves(toy: Toy, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run("labels", "--contest", "toy", *options)


def test_an_unknown_row_is_named(sure: tuple[Toy, list[str]]) -> None:
    with pytest.raises(DataError, match="has no row 'nobody'"):
        run("labels", "--contest", "toy", "--drop", "--id", "nobody")


def test_nothing_doubted_is_said(sure: tuple[Toy, list[str]]) -> None:
    run("labels", "--contest", "toy", "--drop")
    for file in sure[0].workspace.oof("toy").glob("*/fold*/oof.npz"):
        arrays = read_npz(file)
        logits = np.repeat(9 * np.eye(3)[arrays["labels"]][:, None], arrays["logits"].shape[1], axis=1)
        write_npz(file, **(arrays | {"logits": logits.astype(np.float32)}))
        resealed(file.parent.parent)
    with pytest.raises(DataError, match="none is doubted"):
        run("labels", "--contest", "toy", "--drop")
