from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.artefact import read_json, read_npz, write_json, write_npz
from kit.config import ShiftConfig
from kit.errors import ArtefactError, OofError
from kit.oof_store import check_shifts, load_run, load_runs
from kit.shifts.battery import Battery
from kit.workspace import Workspace

IDS = np.array([f"{row:03d}" for row in range(30)])
LABELS = np.arange(30) % 3
FOLDS = np.random.default_rng(1).permutation(30) % 3
CELLS = ("blur.motion@3", "noise.shot@1", "mixture.strong@5")
DIGESTS = {"data": "d" * 64, "folds": "f" * 64}


def write_run(workspace: Workspace, recipe: str, seed: int = 0, **info: Any) -> Path:
    """A complete run of 30 rows, 3 folds, 2 views and 2 cells a row; returns its folder."""
    rng = np.random.default_rng(seed)
    folder = workspace.run("toy", recipe)
    logits = rng.normal(size=(30, 2, 3)).astype(np.float32)
    shifted = rng.normal(size=(30, 2, 2, 3)).astype(np.float32)
    cells = rng.integers(3, size=(30, 2))
    for fold in range(3):
        held = rng.permutation(np.flatnonzero(fold == FOLDS))
        arrays = {"logits": logits[held], "shifted": shifted[held], "cells": cells[held]}
        write_npz(folder / f"fold{fold}" / "oof.npz", ids=IDS[held], labels=LABELS[held], **arrays)
        write_json(folder / f"fold{fold}" / "fold.json", {"rows": len(held)})
    known = {"folds_done": [0, 1, 2], "cell_names": CELLS, "config": {"views": ["identity", "hflip"]}, "shift": {}}
    write_json(folder / "run.json", known | {"digests": DIGESTS} | info)
    return folder


def spoil(folder: Path, fold: int, **arrays: np.ndarray) -> None:
    """Replaces arrays of one fold."""
    path = folder / f"fold{fold}" / "oof.npz"
    write_npz(path, **(read_npz(path) | arrays))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


# ------------------------------------------------------------------------------------------------ whole runs
def test_a_run_comes_back_sorted_by_id_with_every_row_once(workspace: Workspace) -> None:
    folder = write_run(workspace, "a", seed=3)
    run = load_run(folder)
    np.testing.assert_array_equal(run.ids, IDS)
    np.testing.assert_array_equal(run.labels, LABELS)
    np.testing.assert_array_equal(run.folds, FOLDS)
    assert run.recipe == "a"
    assert run.views == ("identity", "hflip")
    assert (run.logits.shape, run.shifted.shape, run.cells.shape) == ((30, 2, 3), (30, 2, 2, 3), (30, 2))
    for fold in range(3):  # each row's arrays are those stored for its id, whatever their order there
        stored = read_npz(folder / f"fold{fold}" / "oof.npz")
        places = np.searchsorted(run.ids, stored["ids"])
        for name in ("logits", "shifted", "cells"):
            np.testing.assert_array_equal(getattr(run, name)[places], stored[name])


def test_families_are_the_first_part_of_a_cells_name(workspace: Workspace) -> None:
    run = load_run(write_run(workspace, "a"))
    assert set(run.families.ravel()) == {"blur", "noise", "mixture"}
    assert run.families[4, 1] == CELLS[run.cells[4, 1]].split(".")[0]


def test_a_run_without_shifts_loads(workspace: Workspace) -> None:
    folder = write_run(workspace, "a", cell_names=[])
    for fold in range(3):
        rows = (fold == FOLDS).sum()
        spoil(folder, fold, shifted=np.zeros((rows, 0, 2, 3), np.float32), cells=np.zeros((rows, 0), np.int64))
    run = load_run(folder)
    assert run.shifted.shape == (30, 0, 2, 3)
    assert run.families.shape == (30, 0)


def test_runs_come_by_name_or_in_the_order_asked_for(workspace: Workspace) -> None:
    for name in ("b", "a", "c"):
        write_run(workspace, name)
    (workspace.run("toy", "unfinished") / "fold0").mkdir(parents=True)
    assert [run.recipe for run in load_runs(workspace, "toy")] == ["a", "b", "c"]
    assert [run.recipe for run in load_runs(workspace, "toy", ["c", "a"])] == ["c", "a"]


# ------------------------------------------------------------------------------------------------- refusals
def test_an_empty_store_says_how_to_fill_it(workspace: Workspace) -> None:
    with pytest.raises(OofError, match=r"oof/toy: holds no complete run. Train one: kit train RECIPE --contest toy"):
        load_runs(workspace, "toy")


def test_a_missing_run_is_named(workspace: Workspace) -> None:
    write_run(workspace, "a")
    with pytest.raises(OofError, match=r"oof/toy/b: not complete .*Finish it: kit train b --contest toy"):
        load_runs(workspace, "toy", ["a", "b"])


def test_an_unfinished_run_is_named(workspace: Workspace) -> None:
    folder = write_run(workspace, "a")
    (folder / "run.json").unlink()
    with pytest.raises(OofError, match=r"not complete \(run.json is missing\)"):
        load_run(folder)


def test_a_corrupt_npz_is_named_with_what_to_rerun(workspace: Workspace) -> None:
    folder = write_run(workspace, "a")
    path = folder / "fold1" / "oof.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ArtefactError) as error:
        load_runs(workspace, "toy")
    assert str(error.value).startswith(f"{path}: missing or corrupt (")
    assert str(error.value).endswith(f"Make it again: rm -r {folder}/fold1; kit train a --contest toy --fold 1")


@pytest.mark.parametrize("lost", ["fold2/oof.npz", "fold2/fold.json"])
def test_a_fold_that_lost_a_file_is_named(lost: str, workspace: Workspace) -> None:
    folder = write_run(workspace, "a")
    (folder / lost).unlink()
    with pytest.raises(ArtefactError, match=rf"{lost}: missing or corrupt .* kit train a --contest toy --fold 2"):
        load_run(folder)


@pytest.mark.parametrize("content", ["", "[1", "{}"])
def test_a_corrupt_run_json_is_named(content: str, workspace: Workspace) -> None:
    folder = write_run(workspace, "a")
    (folder / "run.json").write_text(content)
    with pytest.raises((ArtefactError, OofError), match=r"a/run.json: .*: kit train a --contest toy"):
        load_run(folder)


@pytest.mark.parametrize("name", ["logits", "shifted"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(name: str, value: float, workspace: Workspace) -> None:
    folder = write_run(workspace, "a")
    array = read_npz(folder / "fold1" / "oof.npz")[name]
    array[2, 1, ..., 1] = value
    spoil(folder, 1, **{name: array})
    with pytest.raises(OofError, match=r"oof/toy/a: logits must be finite, .*kit train a"):
        load_run(folder)


def test_a_row_that_two_folds_predict_is_refused(workspace: Workspace) -> None:
    folder = write_run(workspace, "a")
    ids = read_npz(folder / "fold1" / "oof.npz")["ids"]
    ids[:2] = read_npz(folder / "fold0" / "oof.npz")["ids"][:2]
    spoil(folder, 1, ids=ids)
    with pytest.raises(OofError, match=r"every row must be predicted once, but 2 are there twice. Rerun: kit train a"):
        load_run(folder)


def test_a_fold_with_rows_lost_is_refused(workspace: Workspace) -> None:
    folder = write_run(workspace, "a")
    arrays = read_npz(folder / "fold1" / "oof.npz")
    write_npz(folder / "fold1" / "oof.npz", **{name: array[:7] for name, array in arrays.items()})
    with pytest.raises(OofError, match=r"fold1: \w+ has 7 of 10 rows. Train it again: .*kit train a .*--fold 1"):
        load_run(folder)


def test_arrays_of_different_length_are_refused(workspace: Workspace) -> None:
    folder = write_run(workspace, "a")
    spoil(folder, 0, logits=np.zeros((4, 2, 3), np.float32))
    with pytest.raises(OofError, match="fold0: logits has 4 of 10 rows"):
        load_run(folder)


def test_an_npz_that_lacks_an_array_is_refused(workspace: Workspace) -> None:
    folder = write_run(workspace, "a")
    write_npz(folder / "fold0" / "oof.npz", ids=IDS[FOLDS == 0])
    with pytest.raises(OofError, match=r"must hold \['cells', 'ids', .*'shifted'\], but got \['ids'\]"):
        load_run(folder)


@pytest.mark.parametrize("key", ["data", "folds"])
def test_runs_of_other_digests_are_refused_with_both_named(key: str, workspace: Workspace) -> None:
    write_run(workspace, "a")
    other = DIGESTS | {key: "9" * 64}
    write_run(workspace, "b", digests=other)
    with pytest.raises(OofError, match="a and b must come from the same data and folds") as error:
        load_runs(workspace, "toy")
    for digest in (DIGESTS[key], other[key]):
        assert digest[:12] in str(error.value)
    assert "kit train a or kit train b" in str(error.value)


def test_runs_of_other_shifts_are_refused(workspace: Workspace) -> None:
    write_run(workspace, "a", shift={"seed": 0})
    write_run(workspace, "b", shift={"seed": 1})
    with pytest.raises(OofError, match=r"a and b must come from the same shift battery, but got {'seed': 0} and"):
        load_runs(workspace, "toy")


def test_runs_of_other_rows_are_refused(workspace: Workspace) -> None:
    write_run(workspace, "a")
    folder = write_run(workspace, "b")
    ids = read_npz(folder / "fold0" / "oof.npz")["ids"]
    ids[0] = "new"
    spoil(folder, 0, ids=ids)
    with pytest.raises(OofError, match="a and b must hold the same rows"):
        load_runs(workspace, "toy")


def test_run_json_is_what_info_holds(workspace: Workspace) -> None:
    folder = write_run(workspace, "a", minutes=1.5)
    assert load_run(folder).info == read_json(folder / "run.json")


def test_runs_scored_under_other_shifts_are_named(workspace: Workspace) -> None:
    shift = ShiftConfig()
    write_run(workspace, "now", shift=Battery.from_config(shift).identity)
    check_shifts(load_runs(workspace, "toy"), shift)
    other = ShiftConfig(seed=5)
    with pytest.raises(OofError, match=r"now: scored under other shifts than the contest file .*: kit train now"):
        check_shifts(load_runs(workspace, "toy"), other)


def test_runs_scored_under_the_shifts_of_another_opencv_are_named(workspace: Workspace) -> None:
    shift = ShiftConfig()
    write_run(workspace, "older", shift=Battery.from_config(shift).identity | {"opencv": "3"})
    with pytest.raises(OofError, match=r"older: scored under other shifts than OpenCV \d.* nothing is trained for it"):
        check_shifts(load_runs(workspace, "toy"), shift)


def test_clean_runs_do_not_depend_on_opencv(workspace: Workspace) -> None:
    shift = ShiftConfig(battery="clean")
    assert Battery.from_config(shift).identity.keys() == {"battery"}
    write_run(workspace, "clean", shift=Battery.from_config(shift).identity)
    check_shifts(load_runs(workspace, "toy"), shift)
