"""The stages of `make_submission.py`: each does what is missing, says so, and hands files to the next."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from kit.cluster.crew import Crew
from kit.cluster.training import SetAside, train_all
from kit.config import ContestConfig, PlatformConfig, RecipeConfig
from kit.data.prepared import Prepared, prepare
from kit.data.sources.load import load_test
from kit.echo import Echo
from kit.ensemble.blend import Blend, BlendRequest, requested_pool
from kit.ensemble.blend import blend as make_blend
from kit.ensemble.kinds.registry import kind
from kit.ensemble.pool import Pool
from kit.ensemble.scoring import leaderboard
from kit.ensemble.scoring.belief import Belief, prior, updated
from kit.ensemble.scoring.recalibrate import recalibrated
from kit.ensemble.scoring.shares import shares_in_test
from kit.ensemble.tables import scenario_lines, scenario_rows, score_lines
from kit.errors import ConfigError, NetError
from kit.nets.weights.needs import check_weights
from kit.oof_store import RUN, OofRun, load_runs
from kit.options import make_echo
from kit.packaging.pack import Notebook, package
from kit.packaging.packed import PackedZip
from kit.pipeline.budget import find_recipe
from kit.pipeline.clock import Clock
from kit.pipeline.plan import Plan, plan_path, race_digest
from kit.pipeline.planned import settle, train_planned
from kit.pipeline.rehearsed import within
from kit.platforms.ledger import record_zip, remote_promises, remote_scores
from kit.rehearsal.rehearse import rehearse as make_rehearsal
from kit.rehearsal.result import Rehearsal
from kit.report.page import write_report
from kit.shifts.battery import Battery
from kit.shifts.scenarios import resemblance, scenario_shares
from kit.situation.recipes import default_recipes
from kit.situation.situation import find_situation, settled
from kit.train.device import pick_device
from kit.train.run import check_names
from kit.workspace import Workspace

NO_CLOCK = Clock()
ENOUGH_ROWS = 2000
"""Out-of-fold rows from which a fitted ensemble may replace equal weights; on fewer it looks better than it is."""


def chosen_recipes(
    contest: ContestConfig, names: str | None, echo: Echo, minutes: float | None = None
) -> list[RecipeConfig]:
    """The recipes named, comma-separated, or else the contest's set for this machine, or that of its situation.

    Of the set, recipes whose weights file is not here are left out, and `echo` is told; a named one is an error.
    """
    if names:
        return [find_recipe(name) for name in split_names(names)]
    on_gpu = pick_device().type == "cuda"
    chosen = contest.recipes.gpu if on_gpu and contest.recipes.gpu else contest.recipes.cpu or contest.recipes.gpu
    chosen = chosen or default_recipes(contest.image_size, contest.expects, "gpu" if on_gpu else "cpu", minutes)
    return [recipe for recipe in map(find_recipe, chosen) if _has_weights(recipe, echo)]


def _has_weights(recipe: RecipeConfig, echo: Echo) -> bool:
    try:
        check_weights(recipe.net)
    except NetError as error:
        echo(f"LEFT OUT: {recipe.name}, as its weights are not here. {error}")
        return False
    return True


def split_names(names: str) -> list[str]:
    """The names of a comma-separated list, each once."""
    return list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))


def choose(
    contest: ContestConfig, recipes: str | None, ensemble: str, console: Console, minutes: float | None = None
) -> list[RecipeConfig]:
    """The recipes to train; a KitError for a name that there is not, before a stage meets it hours later."""
    if ensemble != "auto":
        kind(ensemble)
    chosen = chosen_recipes(contest, recipes, make_echo(console), minutes)
    for recipe in chosen:
        check_names(contest, recipe)
    return chosen


def prepare_data(
    contest: ContestConfig,
    path: Path | None,
    workspace: Workspace,
    recipes: Sequence[RecipeConfig],
    clock: Clock,
    crew: Crew,
    console: Console,
) -> tuple[ContestConfig, Prepared]:
    """Cleaned rows in folds, and the contest as its data tell: clean or shifted, and with a budget as many folds and
    shifts of a row as it allows.
    """
    console.rule("data", align="left")
    echo, plan = make_echo(console), Plan.read(workspace, contest)
    if plan is not None and plan.minutes == clock.minutes and all(recipe.name in plan.heats for recipe in recipes):
        as_planned = plan.applied(contest)
        prepared = prepare(as_planned, path, workspace, echo)
        if plan.raced == race_digest(prepared, recipes):
            find_situation(as_planned, prepared, workspace, echo)
            return settled(as_planned, workspace), prepared
        echo("budget: the images or the recipes changed since the last plan: they are measured again")
    plan_path(workspace, contest).unlink(missing_ok=True)
    prepared = prepare(contest, path, workspace, echo)
    find_situation(contest, prepared, workspace, echo)
    contest = settled(contest, workspace)
    if clock.minutes is None:
        return contest, prepared
    console.rule("race", align="left")
    fewer = settle(contest, prepared, recipes, workspace, clock, crew, echo).applied(contest)
    return fewer, prepared if fewer.folds == contest.folds else prepare(fewer, path, workspace, echo)


def train(
    contest: ContestConfig,
    prepared: Prepared,
    recipes: Sequence[RecipeConfig],
    workspace: Workspace,
    clock: Clock,
    crew: Crew,
    console: Console,
) -> list[OofRun]:
    """Every recipe in play, trained on every fold and scored; the leaderboard of all of them."""
    console.rule("train", align="left")
    echo = make_echo(console)
    if clock.minutes is None:
        names = [recipe.name for recipe in recipes]
        try:
            train_all(contest, prepared, recipes, workspace, echo)
        except SetAside as error:  # a submission of the others is worth more than none
            names = [name for name in names if (workspace.run(contest.name, name) / RUN).is_file()]
            if not names:
                raise
            echo(f"WARNING: goes on with {', '.join(names)}. {error}")
    else:
        names = train_planned(contest, prepared, recipes, workspace, clock, crew, echo)
    crew.close()
    runs = load_runs(workspace, contest.name, names)
    console.print(leaderboard.table(leaderboard.rows(runs, contest), contest.expects, contest.metric))
    return runs


def shares_expected(
    contest: ContestConfig, prepared: Prepared, workspace: Workspace, console: Console, test: Path | None = None
) -> dict[str, float] | None:
    """Shares of the battery's cells in the contest's unlabelled test images, or in the scenario that it names.

    None where it hands out none and expects a contest's mixture.
    """
    if contest.expects != "shifted":
        return None
    if not (test or contest.data.test):
        return named_shares(contest)
    seen = load_test(contest, test, workspace)
    shares, line = shares_in_test(Battery.from_config(contest.shift), np.asarray(prepared.images), seen.images)
    make_echo(console)(line)
    return shares


def named_shares(contest: ContestConfig) -> dict[str, float] | None:
    """Shares of the battery's cells in the scenario that the contest expects; None for a contest's mixture."""
    if contest.expects != "shifted" or contest.scenario == "contest":
        return None
    shares = scenario_shares(contest.scenario, Battery.from_config(contest.shift).names)
    if not shares:
        raise ConfigError(
            f'{contest.name}: expects = "{contest.scenario}" needs cells of that kind in [shift] battery, but it '
            f'holds none. Set battery = "default", or expects = "contest"'
        )
    return shares


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
        made = _unless_beaten(made, make_blend(runs, "auto", contest.expects, contest.metric, pool, **more), echo)
    earlier = remote_scores(workspace, contest.name, contest.expects)
    expected = recalibrated(made.expected, *earlier, contest.metric)
    made = _believed(replace(made, expected=expected), contest, workspace)
    path = workspace.oof(contest.name) / "blends" / f"{name}.json"
    made.to_json(path)
    for line in score_lines(made):
        echo(line)
    _show_scenarios(made, console)
    echo(f"  written to {path}")
    return made


def named_prior(contest: ContestConfig) -> Belief:
    """How likely each scenario is by what the contest file expects alone."""
    return prior(contest.expects if contest.expects == "clean" else contest.scenario)


def _believed(made: Blend, contest: ContestConfig, workspace: Workspace) -> Blend:
    """The blend with how likely each scenario is: by the test images where they told, and by remote scores."""
    shares = made.options.get("shares")
    if shares is None or shares == named_shares(contest):
        before = named_prior(contest)
    else:
        before = prior(contest.expects, resemblance(shares, Battery.from_config(contest.shift).names))
    return replace(made, belief=updated(before, remote_promises(workspace, contest.name)))


def _show_scenarios(made: Blend, console: Console, achieved: Mapping[str, float] | None = None) -> None:
    echo = make_echo(console)
    for line in scenario_lines(scenario_rows(made, achieved)):
        echo(line)
    if made.belief is not None:
        echo(f"  {made.belief.line()}")


def _unless_beaten(equal: Blend, fitted: Blend, echo: Echo) -> Blend:
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


def pack(
    contest: ContestConfig,
    made: Blend,
    platform: PlatformConfig,
    workspace: Workspace,
    out: Path | None,
    console: Console,
    prepared: Callable[[], Prepared] | None = None,
    notebook: Notebook | None = None,
    adapt: bool = False,
) -> PackedZip:
    """The zip; beside the other submissions where `out` is not given. The blend in it, where it is another, is kept."""
    console.rule("package", align="left")
    target = out or workspace.submissions / f"{contest.name}-{made.name}-{platform.name}.zip"
    echo = make_echo(console)
    packed = package(
        made,
        contest,
        workspace,
        platform,
        target,
        prepared=prepared,
        notebook=notebook,
        adapt=adapt,
        remote=remote_scores(workspace, contest.name, made.expects),
        echo=echo,
    )
    record_zip(workspace, packed)
    if packed.blend.name != made.name:
        path = workspace.oof(contest.name) / "blends" / f"{packed.blend.name}.json"
        packed.blend.to_json(path)
        echo(f"{made.name} did not fit: {packed.blend.name} was packed in its place, written to {path}")
    echo(f"{packed.path}: {packed.size_mb:.1f} MB, {len(packed.manifest['members'])} networks")
    return packed


def rehearse(
    contest: ContestConfig,
    packed: PackedZip,
    prepared: Prepared,
    platform: PlatformConfig,
    workspace: Workspace,
    console: Console,
    clock: Clock = NO_CLOCK,
) -> Rehearsal:
    """The zip run as the platform runs it, every check with its figure; on fewer rows where the clock asks for it."""
    console.rule("rehearse", align="left")
    rows, many_seconds = within(clock, contest, packed, platform, workspace, make_echo(console))
    shorter = platform.model_copy(update={"rehearsal_rows": rows})
    result = make_rehearsal(
        packed.path,
        shorter,
        contest=contest,
        prepared=prepared,
        workspace=workspace,
        many_seconds=many_seconds,
    )
    console.print(result.table())
    return result


def conclude(
    contest: ContestConfig,
    packed: PackedZip,
    result: Rehearsal,
    workspace: Workspace,
    console: Console,
    file: Rehearsal | None = None,
) -> None:
    """What a contestant wants to know at the end, the page that shows it, and what to do next."""
    console.rule("result", align="left")
    made, echo = packed.blend, make_echo(console)
    expected = made.expected
    echo(f"zip       {packed.path}  ({packed.size_mb:.1f} MB, sha256 {packed.sha256[:12]})")
    echo(
        f"expect    {expected.point:.3f} on the hidden test, {expected.low:.3f} to {expected.high:.3f} with "
        f"{expected.level:.0%} probability ({expected.expects}); clean {made.nested.clean:.3f}"
        f"{'; ' if expected.note else ''}{expected.note}"
    )
    if result.hidden is not None:
        inside = "inside" if expected.low <= result.hidden <= expected.high else "outside"
        echo(f"achieved  {result.hidden:.3f} on the practice contest's hidden test: {inside} the interval")
    _show_scenarios(made, console, result.forms)
    echo(f"report    {write_report(contest, workspace, packed.path)}")
    if not result.passed:
        console.print("[red]The rehearsal failed: do not upload this zip.[/red] The table above says what to fix.")
        return
    if file is None:
        echo(f"next      kit upload {packed.path} --phase PHASE_ID   (or the platform's web page)")
        return
    echo(f"file      {file.zip}")
    if not file.passed:
        console.print("[red]The file failed: do not upload it.[/red] The table above says what to fix.")
        return
    where = "--kaggle COMPETITION" if file.zip.suffix == ".csv" else "--phase PHASE_ID"
    echo(f"next      kit upload {file.zip} {where}   (or the platform's web page)")


def summary(
    contest: ContestConfig, packed: PackedZip, result: Rehearsal, file: Rehearsal | None = None
) -> dict[str, Any]:
    """The result as plain values, for --json."""
    made = packed.blend
    return {
        "contest": contest.name,
        "zip": str(packed.path),
        "size_mb": packed.size_mb,
        "sha256": packed.sha256,
        "ensemble": made.kind,
        "members": {member.recipe: member.weight for member in made.members},
        "nested": asdict(made.nested),
        "expected": asdict(made.expected),
        "scenarios": scenario_rows(made, result.forms),
        "hidden": result.hidden,
        "rehearsal_passed": result.passed,
        **({"file": str(file.zip), "file_passed": file.passed} if file is not None else {}),
    }
