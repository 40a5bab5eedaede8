"""Soups and students that may stand for a blend's members, where a zip is too small for all of those.

Each makes another blend, fitted and scored as any other from its own held-out predictions. A student's nested score
pays for its being the best of several. A blend that was chosen from many runs paid for that choice; refitted on the
chosen alone it would not, so what the choice cost the blend is taken off the scores of one with a soup too.
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
from kit.ensemble.compress.distill import is_student
from kit.ensemble.scoring.scores import Score
from kit.ensemble.view_choice import use_views
from kit.metrics.registry import get_metric
from kit.oof_store import RUN, OofRun, load_runs
from kit.train.augment.policy import trained_families
from kit.workspace import Workspace

Info = Mapping[str, Any]

IN_METRIC = ("clean", "shifted", "worst")
GAINS = ("macro_f1", "shifted_macro_f1")
LOSSES = ("log_loss", "shifted_log_loss")


def soups(blend: Blend, contest: str, workspace: Workspace, echo: Echo) -> Iterator[Blend]:
    """The blend with one soup in the place of the runs that it was made of, with two, and so on.

    Smallest soups first; those that share a run with an earlier one are passed over, unless they hold all of it.
    """
    members = {member.recipe for member in blend.members}
    found = _belonging(
        blend, contest, workspace, echo, lambda info: bool(info.get("soup")) and members.issuperset(info["soup"])
    )
    plain: Blend | None = None
    chosen: dict[str, set[str]] = {}
    for name in sorted(found, key=lambda name: (len(found[name]["soup"]), name)):
        parts = set(found[name]["soup"])
        if any(parts & other and not other < parts for other in chosen.values()):
            continue
        chosen = {earlier: other for earlier, other in chosen.items() if not other < parts} | {name: parts}
        plain = plain or _refitted(blend, {}, contest, workspace)
        yield _paying(_refitted(blend, chosen, contest, workspace), plain, blend)


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


def _stored(contest: str, workspace: Workspace) -> dict[str, Info]:
    """run.json of every complete run by its name."""
    return {path.parent.name: read_json(path) for path in sorted(workspace.oof(contest).glob(f"*/{RUN}"))}


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


def _refitted(blend: Blend, chosen: Mapping[str, set[str]], contest: str, workspace: Workspace) -> Blend:
    """The same kind over the blend's members, the soups `chosen` in the place of their parts."""
    gone = set().union(*chosen.values())
    seen = {member.recipe: (member.views, member.merge) for member in blend.members if member.recipe not in gone}
    for name, parts in chosen.items():
        ways = {(member.views, member.merge) for member in blend.members if member.recipe in parts}
        if name not in seen:
            seen[name] = ways.pop() if len(ways) == 1 else ((), "mean")
    runs = [use_views(run, seen[run.recipe][0] or run.views) for run in load_runs(workspace, contest, list(seen))]
    kind = blend.kind if len(runs) > 1 else "best1"
    merges = {name: merge for name, (_, merge) in seen.items()}
    made = make_blend(runs, kind, blend.expects, blend.metric, merges=merges, **_requested(blend, runs))
    return replace(made, name=f"{blend.name}-with-{'-'.join(chosen)}")


def _requested(blend: Blend, runs: Sequence[OofRun]) -> dict[str, Any]:
    """What was asked of the blend, for one of `runs`; its budget, which it has met, left out."""
    kept = ("hidden_rows", "hidden_prior", "shares")
    asked: dict[str, Any] = {key: value for key, value in blend.options.items() if key in kept}
    known = blend.options.get("trained")
    return asked if known is None else asked | {"trained": {run.recipe: _families(run, known) for run in runs}}


def _families(run: OofRun, known: Mapping[str, Sequence[str]]) -> list[str]:
    """Shift families that the run, or any run in the soup that it is, trained on."""
    if run.recipe in known:
        return list(known[run.recipe])
    if parts := run.info.get("soup"):
        return sorted({family for part in parts for family in known[part]})
    return list(trained_families(AugmentConfig.model_validate(run.info["config"]["augment"])))


def _paying(made: Blend, plain: Blend, blend: Blend) -> Blend:
    """`made` for what choosing its members cost: by so much the blend scores worse than `plain`, its members alone."""
    metric, expected = get_metric(blend.metric), made.expected
    cost = metric.sign * min(0.0, blend.nested.gain(blend.expects) - plain.nested.gain(blend.expects))
    interval = expected.point, expected.low, expected.high
    point, low, high = (float(metric.clipped(one + cost)) for one in interval)
    local = None if expected.local is None else float(metric.clipped(expected.local + cost))
    moved = replace(expected, point=point, low=low, high=high, local=local)
    nested = _moved(made.nested, plain.nested, blend.nested)
    return replace(made, nested=nested, expected=moved)


def _moved(made: Score, plain: Score, blend: Score) -> Score:
    """`made` moved as far as from `plain` to `blend`, each score only where that makes it worse."""
    changes: dict[str, Any] = {}
    small = LOSSES if made.greater_is_better else (*LOSSES, *IN_METRIC)
    for key in (*IN_METRIC, *GAINS, *LOSSES):
        values = [getattr(one, key) for one in (made, plain, blend)]
        if None not in values:
            worse = max if key in small else min
            changes[key] = values[0] + worse(0.0, values[2] - values[1])
    return replace(made, **changes)
