"""Distillation: what teaches fold k has seen no label of fold k."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import resealed
from safetensors.torch import load_file, save_file

from kit.artefact import read_json
from kit.cli import group
from kit.ensemble.blend import Blend, blend
from kit.ensemble.compress.distill import Student, Teacher, distill
from kit.ensemble.kinds.registry import kind
from kit.ensemble.pool import make_pool
from kit.errors import EnsembleError, TrainError
from kit.inference.model import load_net, merge_views, net_logits
from kit.oof_store import load_run, load_runs
from kit.train.device import pick_device
from kit.train.material import make_material


def blended(toy, name="all"):
    return blend(load_runs(toy.workspace, "toy"), name)


def student(toy, share=0.7, recipe="mini"):
    runs = tuple(load_runs(toy.workspace, "toy", ["tiny", "mini"]))
    teacher = Teacher("all", runs, {"tiny": "mean", "mini": "mean"}, share)
    named = toy.recipe(recipe).model_copy(update={"name": "pupil"})
    return Student(toy.contest(), toy.prepared(), named, toy.workspace, pick_device(), teacher=teacher)


def spoil(toy, recipe, fold):
    """Another network in the place of that fold's."""
    path = toy.workspace.run("toy", recipe) / f"fold{fold}/weights.safetensors"
    save_file({key: -value if key.endswith("weight") else value for key, value in load_file(path).items()}, path)
    resealed(path.parent.parent)


def test_a_teacher_predicts_as_the_folds_own_networks_blended(trained):
    pupil = student(trained)
    rows = np.flatnonzero(pupil.prepared.folds != 0)
    expected = np.zeros((len(rows), 3))
    without = make_pool([replace_rows(run, run.folds != 0) for run in pupil.teacher.runs])
    for name, entry in zip(without.names, without.entries):
        folder = trained.workspace.run("toy", name) / "fold0"
        spec = read_json(folder / "member.json")
        logits = net_logits(load_net(spec, str(folder)), np.array(pupil.prepared.images[rows]), spec)
        expected += merge_views(logits, entry.temperature) / 2
    np.testing.assert_allclose(pupil.predictions(0, rows), expected, atol=1e-5)


def replace_rows(run, chosen):
    fields = ("ids", "folds", "labels", "logits", "shifted", "cells")
    return replace(run, **{key: getattr(run, key)[chosen] for key in fields})


def test_nothing_of_the_held_out_fold_teaches(trained):
    """Other networks, labels and predictions of fold 0's rows: what teaches fold 0's student stays the same."""
    rows = np.flatnonzero(trained.prepared().folds != 0)
    before = student(trained).predictions(0, rows)
    spoil(trained, "tiny", 1)
    pupil = student(trained, share=0.6)  # another identity: nothing stored is reused
    held = pupil.teacher.runs[0].folds == 0
    runs = []
    for run in pupil.teacher.runs:
        labels, logits = run.labels.copy(), run.logits.copy()
        labels[held], logits[held] = (labels[held] + 1) % 3, logits[held] * -3
        runs.append(replace(run, labels=labels, logits=logits))
    changed = replace(pupil, teacher=replace(pupil.teacher, runs=tuple(runs)))
    np.testing.assert_array_equal(changed.predictions(0, rows), before)
    spoil(trained, "tiny", 0)
    assert np.abs(student(trained, share=0.5).predictions(0, rows) - before).max() > 0.01


def test_targets_are_the_share_of_predictions_and_labels(trained):
    pupil = student(trained, share=0.25)
    images = np.zeros((len(pupil.prepared.ids), 3, 16, 16), np.uint8)
    material = pupil.material(1, torch.from_numpy(images))
    plain = make_material(pupil.prepared, pupil.recipe, 1, torch.from_numpy(images), (0,) * 3, (1,) * 3)
    rows = material.rows.numpy()
    said = pupil.predictions(1, np.unique(rows))
    mixed = 0.25 * said + 0.75 * np.eye(3)[pupil.prepared.labels[np.unique(rows)]]
    np.testing.assert_allclose(material.targets[np.unique(rows)], mixed, atol=1e-6)
    np.testing.assert_allclose(material.targets.sum(dim=1), 1, atol=1e-5)
    held = np.setdiff1d(np.arange(len(plain.targets)), rows)
    assert torch.equal(material.targets[held], plain.targets[held])


def test_a_student_is_a_run_like_any_and_is_reused(trained):
    made = blended(trained)
    lines = []
    run = distill(
        trained.contest(), trained.prepared(), trained.workspace, made, trained.recipe("mini"), echo=lines.append
    )
    assert run.recipe == "mini-of-all"
    assert run.info["teacher"]["kind"] == "all"
    assert load_run(trained.workspace.run("toy", "mini")).logits.shape == run.logits.shape
    before = len(lines)
    assert before
    again = distill(
        trained.contest(), trained.prepared(), trained.workspace, made, trained.recipe("mini"), echo=lines.append
    )
    assert len(lines) == before
    np.testing.assert_array_equal(again.logits, run.logits)
    with pytest.raises(TrainError, match="made with another teacher than now"):
        distill(trained.contest(), trained.prepared(), trained.workspace, made, trained.recipe("mini"), share=0.5)
    pool = make_pool(load_runs(trained.workspace, "toy"))
    assert set(pool.names) == {"tiny", "mini", "mini-of-all"}
    assert len(kind("all").fit(pool).members) == 3


def test_the_command_trains_and_compares(trained):
    written = blended(trained)
    written.to_json(trained.workspace.oof("toy") / "blends" / "all.json")
    command = ["distill", "all", "tiny", "--contest", "toy", "--data", str(trained.data)]
    found = CliRunner().invoke(group, command, catch_exceptions=False)
    assert found.exit_code == 0
    assert f"the blend: {written.nested.clean:.4f}" in found.stdout
    assert (trained.workspace.run("toy", "tiny-of-all") / "run.json").exists()


def test_who_has_no_network_cannot_teach(trained):
    made = blended(trained)
    foreign: Blend = replace(made, members=(replace(made.members[0], external="theirs.csv"), *made.members[1:]))
    with pytest.raises(EnsembleError, match=r"predictions come from theirs\.csv"):
        distill(trained.contest(), trained.prepared(), trained.workspace, foreign, trained.recipe("mini"))
