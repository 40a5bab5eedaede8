"""kit blend, kit distill."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from kit.commands.printing import print_rows
from kit.config import AugmentConfig, ContestConfig, load_contest
from kit.data.prepared import prepare
from kit.ensemble.blend import Blend, BlendRequest, requested_pool
from kit.ensemble.budget import Budget, Cost
from kit.ensemble.compress.distill import distill as teach
from kit.ensemble.costs import measure_costs
from kit.ensemble.external import with_external
from kit.ensemble.front import blend_point, draw, front, pick
from kit.ensemble.kinds.auto import candidates
from kit.ensemble.kinds.auto import compare as compare_kinds
from kit.ensemble.pool import Pool, make_pool
from kit.ensemble.tables import calibration_rows, diversity_rows, front_rows, kind_rows, view_rows
from kit.ensemble.view_choice import best_views
from kit.errors import EnsembleError
from kit.oof_store import OofRun, check_shifts, load_runs
from kit.options import contest_options, json_option, make_console, make_echo, wide_option
from kit.pipeline.named import find_recipe
from kit.pipeline.plan import planned
from kit.pipeline.stages import blending
from kit.pipeline.stages.expectation import named_shares, shares_expected
from kit.pipeline.stages.recipes import split_names
from kit.situation.settled import settled
from kit.train.augment.families import trained_families
from kit.workspace import Workspace


@click.command()
@click.argument("name", default="best5")
@contest_options
@click.option("--recipes", help="Comma-separated runs to choose from; all complete ones by default.")
@click.option("--external", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Predictions made elsewhere (CSV or npz with ids); may be given more than once.")
@click.option("--choose-views", is_flag=True, help="Only the test-time views that earn their passes.")
@click.option("--leave-family-out", is_flag=True, help="Rank members on the shift families they did not train on.")
@click.option("--test", type=click.Path(path_type=Path, exists=True),
              help="Unlabelled test images: the battery's shifts count as often as they occur there. Needs the data.")
@click.option("--prior", metavar="SHARES", help="Comma-separated class shares of the hidden test, where known.")
@click.option("--max-seconds", type=click.FloatRange(min=0, min_open=True), help="For 2,000 images on this CPU.")
@click.option("--max-mb", type=click.FloatRange(min=0, min_open=True), help="Megabytes of weights.")
@click.option("--max-members", type=click.IntRange(min=1), help="Recipes in the ensemble.")
@click.option("--front", "figure", type=click.Path(path_type=Path, dir_okay=False),
              help="Measure every recipe's cost and draw accuracy against it (.svg, .png).")
@click.option("--compare", is_flag=True, help="Score every kind of ensemble nested, and show members' diversity.")
@wide_option
@json_option
def blend(
    name: str, contest: str, data: Path | None, root: Path, recipes: str | None, external: tuple[Path, ...],
    choose_views: bool, leave_family_out: bool, test: Path | None, prior: str | None, max_seconds: float | None,
    max_mb: float | None, max_members: int | None, figure: Path | None, compare: bool, as_json: bool,
) -> None:  # fmt: skip
    """Combine runs into the ensemble NAME and write blend.json.

    NAME: best5 (equal weights; any number), all, geometric5, greedy, greedy-metric, weights, stack, auto; "+bias"
    behind it adds a bias a class.
    """
    workspace, console = Workspace(root.resolve()), make_console(as_json)
    config = settled(load_contest(contest), workspace)
    runs = load_runs(workspace, config.name, split_names(recipes) if recipes else None)
    check_shifts(runs, config.shift)
    runs = with_external(runs, external, config.classes, config.expects)
    limit = Budget(max_seconds, max_mb, max_members)
    more: dict[str, Any] = {"budget": limit, "hidden_prior": _shares(prior) if prior else None}
    if choose_views:
        runs, more["merges"] = _views(runs, config, console)
    if leave_family_out:
        more["trained"] = {run.recipe: _families(run) for run in runs}
    more["shares"] = named_shares(config)
    if test or config.data.test:
        prepared = prepare(planned(config, workspace), data, workspace, make_echo(console))
        more["shares"] = shares_expected(config, prepared, workspace, console, test)
    if figure or limit != Budget():
        more["costs"] = measure_costs(runs, workspace, config.name, config.image_size)
    pool = requested_pool(runs, BlendRequest(config.expects, config.metric, **more))
    made = blending.blend(config, runs, name, workspace, console, pool, **more)
    if "costs" in more:
        _show_front(pool, more["costs"], limit, made, figure, console)
    if compare:
        print_rows(console, kind_rows(compare_kinds(pool, candidates(pool)), made.kind), "Every kind, nested")
        print_rows(console, diversity_rows(pool), "Diversity of errors")
        print_rows(console, calibration_rows(pool), "Calibration")
    if as_json:
        print(json.dumps(asdict(made)))


def _shares(text: str) -> list[float]:
    try:
        return [float(share) for share in text.split(",")]
    except ValueError as error:
        raise EnsembleError(f"--prior must be numbers like 0.2,0.3,0.5, but got {text!r}. Fix it") from error


def _families(run: OofRun) -> tuple[str, ...]:
    """Shift families that the run trained on; none that is known of predictions made elsewhere."""
    if run.info.get("external"):
        return ()
    return trained_families(AugmentConfig.model_validate(run.info["config"]["augment"]))


def _views(runs: list[OofRun], config: ContestConfig, console: Console) -> tuple[list[OofRun], dict[str, str]]:
    """The runs through the views that earn their passes, and how each merges them; shown as a table."""
    seen, merges, choices = best_views(runs, config.expects, config.metric)
    rows = [row for choice in choices for row in view_rows(choice) if row["chosen"] or row["passes"] == 1]
    print_rows(console, rows, "Views: one, and the choice")
    return seen, merges


def _show_front(
    pool: Pool, costs: dict[str, Cost], limit: Budget, made: Blend, figure: Path | None, console: Console
) -> None:
    points = front(pool, costs)
    rows = front_rows(points, pick(points, pool, costs, limit), blend_point(made, costs))
    print_rows(console, rows, "Accuracy against cost: the plain mean of the first members")
    make_echo(console)("  enough: the cheapest within one standard error of the best of these that the limits hold")
    if figure:
        draw(points, pool.expects, figure)
        make_echo(console)(f"  drawn in {figure}")


@click.command()
@click.argument("name")
@click.argument("recipe")
@contest_options
@click.option("--share", type=click.FloatRange(0, 1), default=0.7, show_default=True,
              help="Share of the target that is the blend's prediction; the rest is the label.")
def distill(name: str, recipe: str, contest: str, data: Path | None, root: Path, share: float) -> None:
    """Train RECIPE on what the blend NAME predicts: one network in place of many."""
    workspace, console = Workspace(root.resolve()), make_console()
    config, echo = planned(load_contest(contest), workspace), make_echo(console)
    made = Blend.from_json(workspace.oof(config.name) / "blends" / f"{name}.json")
    prepared = prepare(config, data, workspace, echo)
    run = teach(config, prepared, workspace, made, find_recipe(recipe), share, echo)
    found = make_pool([run], config.expects, config.metric).member_scores()[0]
    shifted = "" if found.shifted is None else f", shifted {found.shifted:.4f} (the blend: {made.nested.shifted:.4f})"
    echo(f"{run.recipe}: clean {found.clean:.4f} (the blend: {made.nested.clean:.4f}){shifted}")
