"""What stands for a blend: found in the store by its run's own record, scored by its own held-out predictions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ensemble_toy import make_runs

from kit.artefact import write_json, write_npz
from kit.ensemble.blend import Blend, blend
from kit.ensemble.compress.distill import Teacher
from kit.ensemble.compress.substitute import has_student, students
from kit.oof_store import OofRun
from kit.workspace import Workspace

RUNS = make_runs(members=6, rows=300, views=2)
ALIKE = {"digests": {"data": "d" * 64, "folds": "f" * 64}, "shift": {"battery": "b"}}


def write(workspace: Workspace, run: OofRun, **info: Any) -> None:
    """The run as training would have left it, without networks."""
    folder = workspace.run("toy", run.recipe)
    folds = np.unique(run.folds).tolist()
    for fold in folds:
        arrays = {key: getattr(run, key)[run.folds == fold] for key in ("ids", "labels", "logits", "shifted", "cells")}
        write_npz(folder / f"fold{fold}" / "oof.npz", **arrays)
        write_json(folder / f"fold{fold}" / "fold.json", {"rows": len(arrays["ids"])})
    config = {"views": list(run.views), "augment": {"preset": "classic"}}
    write_json(
        folder / "run.json",
        {"folds_done": folds, "cell_names": list(run.cell_names), "config": config} | ALIKE | info,
    )


@pytest.fixture
def store(tmp_path) -> Workspace:
    """Six runs."""
    made = Workspace(tmp_path)
    for run in RUNS:
        write(made, run)
    return made


def add(workspace: Workspace, like: int, name: str, **info: Any) -> OofRun:
    run = replace(RUNS[like], recipe=name)
    write(workspace, run, **info)
    return run


def found_students(made: Blend, workspace: Workspace, said: list[str] | None = None) -> list[Blend]:
    return list(students(made, "toy", workspace, (said if said is not None else []).append))


def teacher(made: Blend, share: float = 0.7) -> dict[str, Any]:
    """What the run of a student of `made` says."""
    runs = tuple(run for run in RUNS if run.recipe in members(made))
    return Teacher(made.kind, runs, {run.recipe: "mean" for run in runs}, share).describe()


def members(made: Blend) -> set[str]:
    return {member.recipe for member in made.members}


def three() -> Blend:
    return blend(RUNS[:3], "all")


# ----------------------------------------------------------------------------------------------------- students
def test_students_of_this_blend_stand_for_it_the_best_first(store: Workspace) -> None:
    made = three()
    worse, better = (
        add(store, 3, "a-of-all", teacher=teacher(made)),
        add(store, 5, "b-of-all", teacher=teacher(made, 0.5)),
    )
    found = found_students(made, store)
    assert [one.name for one in found] == ["b-of-all", "a-of-all"]
    assert [[(member.recipe, member.weight) for member in one.members] for one in found] == [
        [("b-of-all", 1.0)],
        [("a-of-all", 1.0)],
    ]
    assert found[0].nested == blend([worse, better], "best1").nested  # the choice between them is paid for
    assert found[1].nested == blend([worse], "best1").nested
    assert found[0].members[0].score.shifted > found[1].members[0].score.shifted
    assert has_student(made, "toy", store)


def test_students_of_other_blends_do_not(store: Workspace) -> None:
    made = three()
    said = teacher(made)
    add(store, 3, "kind", teacher=said | {"kind": "weights"})
    add(store, 3, "views", teacher=said | {"views": said["views"] | {"net0": ["identity"]}})
    add(store, 3, "merge", teacher=said | {"merges": said["merges"] | {"net0": "logit"}})
    add(store, 3, "fewer", teacher=teacher(blend(RUNS[:2], "all")))
    add(store, 3, "soup", teacher=said, soup=["net4", "net5"])
    assert found_students(made, store) == []
    assert not has_student(made, "toy", store)


@pytest.mark.parametrize("other", [{"digests": {"data": "e" * 64, "folds": "f" * 64}}, {"shift": {"battery": "c"}}])
def test_students_scored_on_other_rows_or_shifts_are_left_out(store: Workspace, other: dict[str, Any]) -> None:
    made, said = three(), list[str]()
    add(store, 3, "stale-of-all", teacher=teacher(made), **other)
    assert found_students(made, store, said) == []
    assert [line.split(":")[0].strip() for line in said] == ["stale-of-all"]
    assert all(f"its {next(iter(other))} are not those of net" in line for line in said)


def test_what_was_requested_of_the_blend_is_requested_of_its_student(store: Workspace) -> None:
    trained = {run.recipe: ("blur",) if run.recipe == "net0" else () for run in RUNS}
    shares = {"blur.motion@1": 0.5, "noise.shot@3": 0.5}
    requested = {"hidden_prior": (0.4, 0.3, 0.2, 0.1), "hidden_rows": 500, "shares": shares}
    made = blend(RUNS[:3], "all", trained=trained, **requested)
    config = {"views": list(RUNS[5].views), "augment": {"preset": "none"}}
    student = add(store, 5, "pupil", teacher=teacher(made), config=config)
    (found,) = found_students(made, store)
    wanted = blend([student], "best1", trained={"pupil": ()}, **requested)
    assert found.combiner == wanted.combiner
    assert found.options == wanted.options
    assert found.expected == wanted.expected
    assert found.combiner["bias"]
