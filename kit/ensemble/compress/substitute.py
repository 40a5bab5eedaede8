"""Students that may stand for a blend, where a zip is too small for all of its networks.

Each makes another blend, scored as any other by its own held-out predictions. Its nested score pays for its being the
best of several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kit.artefact import read_json
from kit.config import AugmentConfig
from kit.echo import Echo
from kit.ensemble.blend import Blend
from kit.ensemble.blend import blend as make_blend
from kit.oof_store import RUN, OofRun, load_runs
from kit.storage import holding
from kit.train.augment.families import trained_families
from kit.workspace import Workspace

Info = Mapping[str, Any]


def students(blend: Blend, contest: str, workspace: Workspace, echo: Echo) -> Iterator[Blend]:
    """Each student of the blend in the place of all its members, best first."""
    found = _belonging(blend, contest, workspace, echo, lambda info: is_student(info, blend))
    runs = load_runs(workspace, contest, list(found)) if found else []
    while runs:
        made = make_blend(runs, "best1", blend.expects, blend.metric, **_requested(blend, runs))
        best = made.members[0].recipe
        yield replace(made, name=best)
        runs = [run for run in runs if run.recipe != best]


def has_student(blend: Blend, contest: str, workspace: Workspace) -> bool:
    """Whether the store holds one."""
    return any(is_student(info, blend) for info in _stored(contest, workspace).values())


def is_student(info: Info, blend: Blend) -> bool:
    """Whether run.json's `info` is that of a student of `blend`, whatever share of its targets was the blend's.

    An average of students' weights, which earlier versions stored, is none: it names the teacher of its first alone.
    """
    views = {member.recipe: list(member.views) for member in blend.members}
    merges = {member.recipe: member.merge for member in blend.members}
    wanted = {"kind": blend.kind, "views": views, "merges": merges}
    known = info.get("teacher")
    return known is not None and "soup" not in info and {key: known.get(key) for key in wanted} == wanted


def _stored(contest: str, workspace: Workspace) -> dict[str, Info]:
    """run.json of every complete run by its name."""
    return {path.parent.name: read_json(path) for path in holding(workspace.oof(contest), RUN)}


def _belonging(
    blend: Blend, contest: str, workspace: Workspace, echo: Echo, wanted: Callable[[Info], bool]
) -> dict[str, Info]:
    """run.json of the runs that are `wanted`; `echo` is told of those from other rows or shifts than the blend's."""
    stored = _stored(contest, workspace)
    first, found = stored[blend.members[0].recipe], {}
    for name, info in stored.items():
        if not wanted(info):
            continue
        other = [key for key in ("digests", "shift") if info.get(key) != first[key]]
        if other:
            echo(f"  {name}: left out, as its {' and '.join(other)} are not those of {blend.members[0].recipe}")
        else:
            found[name] = info
    return found


def _requested(blend: Blend, runs: Sequence[OofRun]) -> dict[str, Any]:
    """What was asked of the blend, for one of `runs`; its budget, which it has met, left out."""
    kept = ("hidden_rows", "hidden_prior", "shares")
    asked: dict[str, Any] = {key: value for key, value in blend.options.items() if key in kept}
    known = blend.options.get("trained")
    return asked if known is None else asked | {"trained": {run.recipe: _families(run, known) for run in runs}}


def _families(run: OofRun, known: Mapping[str, Sequence[str]]) -> list[str]:
    """Shift families that the run trained on."""
    if run.recipe in known:
        return list(known[run.recipe])
    return list(trained_families(AugmentConfig.model_validate(run.info["config"]["augment"])))
