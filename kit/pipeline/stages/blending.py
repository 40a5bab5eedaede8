"""The third stage: the ensemble, with its nested scores and the score to expect."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from rich.console import Console

from kit.config import ContestConfig
from kit.echo import Echo
from kit.ensemble.blend import Blend, BlendRequest, requested_pool
from kit.ensemble.blend import blend as make_blend
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.recalibrate import recalibrated
from kit.ensemble.tables import score_lines
from kit.oof_store import OofRun
from kit.options import make_echo
from kit.pipeline.stages.conclusion import show_scenarios
from kit.pipeline.stages.expectation import believed
from kit.platforms.ledger import remote_scores
from kit.workspace import Workspace

ENOUGH_ROWS = 2000
"""Out-of-fold rows from which a fitted ensemble may replace equal weights; on fewer it looks better than it is."""


def blend(
    contest: ContestConfig,
    runs: list[OofRun],
    name: str,
    workspace: Workspace,
    console: Console,
    pool: Pool | None = None,
    **more: Any,
) -> Blend:
    """The ensemble, with its nested scores and the score to expect; written as blend.json.

    pool: `requested_pool` of the runs, where the caller has it. more: fields of `kit.ensemble.blend.BlendRequest`.
    """
    console.rule("blend", align="left")
    echo = make_echo(console)
    pool = requested_pool(runs, BlendRequest(contest.expects, contest.metric, **more)) if pool is None else pool
    made = make_blend(runs, name, contest.expects, contest.metric, pool, **more)
    if re.fullmatch(r"best\d+", name) and len(runs) > 1 and len(runs[0].ids) >= ENOUGH_ROWS:
        made = unless_beaten(made, make_blend(runs, "auto", contest.expects, contest.metric, pool, **more), echo)
    earlier = remote_scores(workspace, contest.name, contest.expects)
    expected = recalibrated(made.expected, *earlier, contest.metric)
    made = believed(replace(made, expected=expected), contest, workspace)
    path = workspace.oof(contest.name) / "blends" / f"{name}.json"
    made.to_json(path)
    for line in score_lines(made):
        echo(line)
    show_scenarios(made, console)
    echo(f"  written to {path}")
    return made


def unless_beaten(equal: Blend, fitted: Blend, echo: Echo) -> Blend:
    """Equal weights, unless a fitted blend is better by more than its standard error on clean and no worse on shifted.

    Both scores are nested, so what the fit gained by seeing its own rows does not count.
    """
    gain = fitted.nested.gain("clean") - equal.nested.gain("clean")
    loses = equal.nested.shifted is not None and fitted.nested.gain("shifted") < equal.nested.gain("shifted")
    if fitted.kind == equal.kind or gain <= fitted.nested.clean_se or loses:
        return equal
    won = f"nested clean {gain:.4f} better, nothing lost on shifted"
    echo(f"{equal.kind} (equal weights) is replaced by {fitted.kind}: {won}")
    return replace(fitted, name=equal.name)  # as it was asked for, and as its file is called
