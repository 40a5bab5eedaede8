"""What stands for a blend: found in the store by what its run says of itself, scored by its own held-out answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ensemble_toy import make_runs

from kit.artefact import write_json, write_npz
from kit.ensemble.blend import Blend, blend
from kit.ensemble.compress.distill import Teacher
from kit.ensemble.compress.substitute import has_student, soups, students
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


def found_soups(made: Blend, workspace: Workspace, said: list[str] | None = None) -> list[Blend]:
    return list(soups(made, "toy", workspace, (said if said is not None else []).append))


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


# -------------------------------------------------------------------------------------------------------- soups
def test_a_soup_takes_the_place_of_its_parts_with_scores_of_its_own(store: Workspace) -> None:
    soup = add(store, 5, "soup", soup=["net0", "net1"])
    (made,) = found_soups(three(), store)
    wanted = blend([soup, RUNS[2]], "all")
    assert members(made) == {"soup", "net2"}
    assert made.combiner == wanted.combiner
    assert (made.nested, made.expected, made.digests) == (wanted.nested, wanted.expected, wanted.digests)
    assert (made.name, made.kind) == ("all-with-soup", "all")
    assert made.nested != three().nested


def test_a_soup_of_other_runs_stands_for_none(store: Workspace) -> None:
    add(store, 5, "soup", soup=["net0", "net3"])
    assert found_soups(three(), store) == []


def test_soups_add_up_and_a_larger_one_takes_in_those_that_it_holds(store: Workspace) -> None:
    whole = blend(RUNS[:5], "all")
    for name, parts in (("ab", (0, 1)), ("bc", (1, 2)), ("de", (3, 4)), ("again", (0, 1)), ("abc", (0, 1, 2))):
        add(store, 5, name, soup=[f"net{part}" for part in parts])
    found = [members(made) for made in found_soups(whole, store)]
    assert found == [{"ab", "net2", "net3", "net4"}, {"ab", "de", "net2"}, {"de", "abc"}]


def test_a_soup_that_is_a_member_itself_stays_one(store: Workspace) -> None:
    soup = add(store, 5, "soup", soup=["net0", "net1"])
    (made,) = found_soups(blend([*RUNS[:3], soup], "all"), store)
    assert members(made) == {"soup", "net2"}


def test_a_soup_of_all_is_one_network_whatever_the_kind(store: Workspace) -> None:
    add(store, 5, "soup", soup=["net0", "net1", "net2"])
    (made,) = found_soups(blend(RUNS[:3], "weights"), store)
    assert [(member.recipe, member.weight) for member in made.members] == [("soup", 1.0)]


def test_the_views_that_were_chosen_of_its_parts_are_the_soups(store: Workspace) -> None:
    one_view = [replace(run, views=("hflip",), logits=run.logits[:, 1:], shifted=run.shifted[:, :, 1:]) for run in RUNS]
    add(store, 5, "soup", soup=["net0", "net1"])
    (made,) = found_soups(blend([*one_view[:2], RUNS[2]], "all"), store)
    assert {member.recipe: member.views for member in made.members} == {"soup": ("hflip",), "net2": RUNS[2].views}
    (made,) = found_soups(blend([RUNS[0], *one_view[1:3]], "all"), store)
    assert {member.recipe: member.views for member in made.members} == {"soup": RUNS[0].views, "net2": ("hflip",)}


def test_choosing_the_members_is_paid_for_as_the_blend_paid_for_it(store: Workspace) -> None:
    """Runs of equal skill: the best of them on these rows are best by luck."""
    equal = [replace(run, recipe=f"equal{place}") for place, run in enumerate(noisy(12))]
    whole = blend(equal, "best2")
    chosen = [run for run in equal if run.recipe in members(whole)]
    alone = blend(chosen, "best2")
    assert whole.nested.shifted < alone.nested.shifted
    for run in chosen:
        write(store, run)
    write(store, replace(chosen[0], recipe="soup"), soup=[run.recipe for run in chosen])
    (made,) = found_soups(whole, store)
    flattering = blend([replace(chosen[0], recipe="soup")], "best1")
    cost = alone.nested.shifted - whole.nested.shifted
    assert made.nested.shifted == pytest.approx(flattering.nested.shifted - cost)
    assert made.nested.shifted_log_loss >= flattering.nested.shifted_log_loss
    assert made.expected.point == pytest.approx(flattering.expected.point - cost)
    assert made.expected.high < flattering.expected.high


def noisy(count: int) -> Sequence[OofRun]:
    """Runs that differ by chance alone."""
    base = make_runs(members=1, rows=200)[0]
    rng = np.random.default_rng(1)
    return [
        replace(
            base,
            logits=(base.logits + rng.normal(size=base.logits.shape) * 3).astype(np.float32),
            shifted=(base.shifted + rng.normal(size=base.shifted.shape) * 3).astype(np.float32),
        )
        for _ in range(count)
    ]


def test_what_was_asked_of_the_blend_is_asked_of_what_stands_for_it(store: Workspace) -> None:
    trained = {run.recipe: ("blur",) if run.recipe == "net0" else () for run in RUNS}
    shares = {"blur.motion@1": 0.5, "noise.shot@3": 0.5}
    asked = {"hidden_prior": (0.4, 0.3, 0.2, 0.1), "hidden_rows": 500, "shares": shares}
    soup = add(store, 5, "soup", soup=["net0", "net1"])
    (made,) = found_soups(blend(RUNS[:3], "all", trained=trained, **asked), store)
    families = {"net2": (), "soup": ("blur",)}
    wanted = blend([soup, RUNS[2]], "all", trained=families, merges={"net2": "mean", "soup": "mean"}, **asked)
    assert made.combiner == wanted.combiner
    assert made.options == wanted.options
    assert made.expected == wanted.expected
    assert made.combiner["bias"]


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
def test_who_answered_other_rows_or_shifts_is_left_out_and_said(store: Workspace, other: dict[str, Any]) -> None:
    made, said = three(), list[str]()
    add(store, 3, "stale-of-all", teacher=teacher(made), **other)
    add(store, 4, "stale", soup=["net0", "net1"], **other)
    assert found_students(made, store, said) == found_soups(made, store, said) == []
    assert [line.split(":")[0].strip() for line in said] == ["stale-of-all", "stale"]
    assert all(f"its {next(iter(other))} are not those of net" in line for line in said)
