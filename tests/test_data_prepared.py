import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import Toy
from data_toy import contest, some_images

from kit.data.prepared import cleaned, prepare
from kit.errors import DataError
from kit.workspace import Workspace


@pytest.fixture
def given(tmp_path):
    """An npz of 62 images (two of them copies), and a workspace."""
    images, labels = some_images(60), np.arange(60) % 3
    path = tmp_path / "set.npz"
    np.savez(path, images=np.concatenate([images, images[:2]]), labels=np.concatenate([labels, labels[:2]]))
    return path, Workspace(tmp_path)


def run(given, **more):
    lines: list[str] = []
    path, workspace = given
    config = contest(kind="npz", clean={"duplicates": "drop"}, **more)
    return prepare(config, path, workspace, lines.append), "\n".join(lines)


def test_kept_rows_are_aligned_and_reused(given):
    prepared, said = run(given)
    assert "2 dropped (2 duplicate), 60 kept" in said
    assert prepared.images.shape == (60, 16, 16, 3)
    np.testing.assert_array_equal(prepared.images, some_images(60))
    np.testing.assert_array_equal(prepared.labels, np.arange(60) % 3)
    times = [file.stat().st_mtime_ns for file in sorted(given[1].oof("toy").iterdir())]
    again, said = run(given)
    assert times == [file.stat().st_mtime_ns for file in sorted(given[1].oof("toy").iterdir())]
    assert again.fold_digest == prepared.fold_digest
    assert "anew" not in said


def test_an_edit_makes_the_folds_anew_and_names_stale_runs(given):
    prepared, _ = run(given)
    marker = given[1].run("toy", "tiny") / "run.json"
    marker.parent.mkdir()
    marker.write_text(json.dumps({"digests": {"data": prepared.data_digest, "folds": prepared.fold_digest}}))
    _, said = run(given)
    assert "stale" not in said
    file = given[1].oof("toy") / "clean.csv"
    file.write_text(file.read_text().replace("60,False", "60,True"))
    edited, said = run(given)
    assert len(edited.ids) == 61
    assert "made anew, because of a change in the rows that are kept" in said
    assert "1 overruled by hand" in said
    assert "It will not be blended. Train it again: kit train tiny --contest toy" in said


def test_a_change_of_config_is_said(given):
    run(given)
    _, said = run(given, folds={"n_splits": 4})
    assert "because of a change in [folds] of the contest file" in said
    assert "folds of 15, 15, 15, 15" in said


def test_holdout_parts_are_named(given):
    _, said = run(given, folds={"kind": "holdout", "shares": (0.5, 0.25, 0.25)})
    assert re.search(r"60 rows in folds of 1\d; 30 train only; 1\d inner validation", said)


def test_junk_does_not_join_the_patients_it_lies_under(tmp_path):
    images = np.concatenate([some_images(60), np.repeat(some_images(1, seed=9), 12, axis=0)])
    patients = np.append(np.arange(60) // 3, np.arange(12))
    np.savez(tmp_path / "set.npz", images=images, labels=np.arange(72) % 3, patient=patients)
    config = contest(kind="npz", group_column="patient", clean={"near_duplicates": False})
    prepared = prepare(config, tmp_path / "set.npz", Workspace(tmp_path), lambda _: None)
    assert len(prepared.ids) == 60
    assert len(np.unique(prepared.groups)) == 20
    assert np.bincount(prepared.folds).max() <= 21


def test_changed_data_say_so(given):
    first, _ = run(given)
    images = some_images(62, seed=5)
    np.savez(given[0], images=images, labels=np.arange(62) % 3)
    second, said = run(given)
    assert "because of a change in the data (ids, images or labels)" in said
    assert first.data_digest != second.data_digest


def test_folds_edited_by_hand_are_used_and_checked(given):
    run(given)
    file = given[1].oof("toy") / "folds.csv"
    table = pd.read_csv(file, dtype={"id": str})
    table["fold"] = (table["fold"] + 1) % 3
    table.iloc[::-1].to_csv(file, index=False)
    prepared, _ = run(given)
    assert prepared.folds.tolist() == table["fold"].tolist()
    table.iloc[1:].to_csv(file, index=False)
    with pytest.raises(DataError, match="not the kept rows"):
        run(given)


def test_split_and_repeats(given):
    prepared, _ = run(given, folds={"repeats": 2})
    parts = prepared.split(1)
    assert sorted([*parts.train, *parts.held_out]) == list(range(60))
    other = prepared.repeat(1)
    assert other.fold_digest != prepared.fold_digest
    assert prepared.repeat(0) is prepared
    assert prepared.fold_numbers == (0, 1, 2)
    with pytest.raises(DataError, match=r"numbered 0..1, but got 2. Set \[folds\] repeats = 3"):
        prepared.repeat(2)


def test_rows_that_are_taken_keep_their_fold_and_weight(toy: Toy) -> None:
    whole = toy.prepared()
    whole = replace(whole, weights=np.linspace(0.5, 1, len(whole.ids), dtype=np.float32), repeats=(whole.folds,))
    rows = np.array([5, 2, 40])
    some = whole.take(rows)
    for name in ("ids", "images", "labels", "folds", "groups", "weights"):
        np.testing.assert_array_equal(getattr(some, name), getattr(whole, name)[rows])
    assert some.repeats == ()
    assert some.fold_digest != whole.fold_digest
    assert whole.take(np.arange(len(whole.ids))).fold_digest == whole.with_folds(whole.folds).fold_digest


def test_a_class_that_cleaning_would_empty_stops_the_run_by_name(tmp_path):
    images = np.concatenate([some_images(60), np.repeat(some_images(1, seed=9), 6, axis=0)])
    labels = np.append(np.arange(60) % 2, [0, 0, 1, 1, 2, 2])
    np.savez(tmp_path / "set.npz", images=images, labels=labels)
    config = contest(kind="npz", clean={"near_duplicates": False, "outliers": False})
    said: list[str] = []
    cleaned(config, tmp_path / "set.npz", Workspace(tmp_path), said.append)
    assert "1 of 1 images of class 'emu' would go (over 5%)" in "\n".join(said)
    with pytest.raises(DataError, match=r"all 2 of 'emu' are dropped \(2 junk\). Set their keep to True"):
        prepare(config, tmp_path / "set.npz", Workspace(tmp_path), said.append, accepted=["junk"])


def test_a_declared_class_without_an_image_stops_the_run_by_name(tmp_path):
    np.savez(tmp_path / "set.npz", images=some_images(60), labels=np.arange(60) % 2)
    with pytest.raises(DataError, match="'emu' has none in the data. Take it out of classes"):
        prepare(contest(kind="npz"), tmp_path / "set.npz", Workspace(tmp_path), lambda _: None)


def test_a_large_group_is_reported_as_doubtful(tmp_path):
    images = np.concatenate([some_images(60), np.repeat(some_images(1, seed=9), 5, axis=0)])
    np.savez(tmp_path / "set.npz", images=images, labels=np.append(np.arange(60) % 3, [1] * 5))
    said: list[str] = []
    config = contest(kind="npz", clean={"near_duplicates": False})
    prepare(config, tmp_path / "set.npz", Workspace(tmp_path), said.append)
    assert re.search(r"group \d+ is doubtful: 5 rows \(7.7%\) like", "\n".join(said))


def test_the_old_name_of_similarity_is_taken_with_a_notice(given):
    path, workspace = given
    said: list[str] = []
    prepare(contest(kind="npz", clean={"likeness": 0.94}), path, workspace, said.append)
    assert "[clean] likeness is now called similarity" in "\n".join(said)
    with pytest.raises(ValueError, match="two names of one thing"):
        contest(clean={"likeness": 0.94, "similarity": 0.9})
