"""The stages of `make_submission.py`: each does what is missing, says so, and hands files to the next."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from kit import leaderboard
from kit.budget import MIN_FOLDS, Budget, Clock
from kit.config import ContestConfig, PlatformConfig, RecipeConfig, load_recipe
from kit.data.prepared import Prepared, prepare
from kit.ensemble.blend import Blend
from kit.ensemble.blend import blend as make_blend
from kit.errors import ConfigError
from kit.oof import OofRun, load_runs
from kit.submit.ledger import record_zip
from kit.submit.package import PackedZip, package
from kit.submit.rehearse import Rehearsal
from kit.submit.rehearse import rehearse as make_rehearsal
from kit.train.device import pick_device
from kit.train.run import train_recipe
from kit.workspace import Workspace


def chosen_recipes(contest: ContestConfig, names: str | None) -> list[RecipeConfig]:
    """The recipes named, comma-separated, or else the contest's set for this machine."""
    if names:
        return [load_recipe(name.strip()) for name in names.split(",")]
    on_gpu = pick_device().type == "cuda"
    chosen = contest.recipes.gpu if on_gpu and contest.recipes.gpu else contest.recipes.cpu or contest.recipes.gpu
    if not chosen:
        raise ConfigError(f"{contest.name}: [recipes] names none. List some under gpu or cpu, or give --recipes")
    return [load_recipe(name) for name in chosen]


def prepare_data(
    contest: ContestConfig,
    path: Path | None,
    workspace: Workspace,
    recipes: str | None,
    clock: Clock,
    console: Console,
) -> tuple[ContestConfig, Prepared]:
    """Cleaned rows in folds; with a budget too short for the contest's folds, the contest with fewer of them."""
    console.rule("data", align="left")
    prepared = prepare(contest, path, workspace, console.print)
    if clock.minutes is None or contest.folds.n_splits <= MIN_FOLDS:
        return contest, prepared
    wanted = chosen_recipes(contest, recipes)
    if Budget(contest, prepared, workspace, clock).fits(wanted, console.print):
        return contest, prepared
    console.print(f"budget: {MIN_FOLDS} folds instead of {contest.folds.n_splits}, so that the fits are long enough")
    fewer = contest.model_copy(update={"folds": contest.folds.model_copy(update={"n_splits": MIN_FOLDS})})
    return fewer, prepare(fewer, path, workspace, console.print)


def train(
    contest: ContestConfig,
    prepared: Prepared,
    recipes: str | None,
    workspace: Workspace,
    clock: Clock,
    console: Console,
) -> list[OofRun]:
    """Every recipe in play, trained on every fold and scored; the leaderboard of all of them."""
    console.rule("train", align="left")
    wanted = chosen_recipes(contest, recipes)
    plan = iter(wanted)
    if clock.minutes is not None:
        plan = Budget(contest, prepared, workspace, clock).plan(wanted, console.print)
    names = []
    for recipe in plan:
        train_recipe(contest, prepared, recipe, workspace, console.print)
        names.append(recipe.name)
    runs = load_runs(workspace, contest.name, names)
    console.print(leaderboard.table(leaderboard.rows(runs, contest), contest.expects))
    return runs


def blend(contest: ContestConfig, runs: list[OofRun], name: str, workspace: Workspace, console: Console) -> Blend:
    """The ensemble, with its nested scores and the score to expect; written as blend.json."""
    console.rule("blend", align="left")
    made = make_blend(runs, name, contest.expects, contest.metric)
    path = workspace.oof(contest.name) / "blends" / f"{name}.json"
    made.to_json(path)
    for member in made.members:
        console.print(f"  {member.weight:.3f}  {member.recipe}  views {', '.join(member.views)}")
    nested = made.nested
    shifted = "" if nested.shifted is None else f", shifted {nested.shifted:.4f} ± {nested.shifted_se:.4f}"
    console.print(f"{made.kind}: nested clean {nested.clean:.4f} ± {nested.clean_se:.4f}{shifted}  ({path})")
    return made


def pack(
    contest: ContestConfig,
    made: Blend,
    platform: PlatformConfig,
    workspace: Workspace,
    out: Path | None,
    console: Console,
) -> PackedZip:
    """The zip; beside the other submissions where `out` is not given."""
    console.rule("package", align="left")
    target = out or workspace.submissions / f"{contest.name}-{made.name}-{platform.name}.zip"
    packed = package(made, contest, workspace, platform, target)
    record_zip(workspace, packed, made)
    console.print(f"{packed.path}: {packed.size_mb:.1f} MB, {len(packed.manifest['members'])} networks")
    return packed


def rehearse(
    contest: ContestConfig,
    packed: PackedZip,
    prepared: Prepared,
    platform: PlatformConfig,
    workspace: Workspace,
    console: Console,
) -> Rehearsal:
    """The zip run as the platform runs it, every check with its figure."""
    console.rule("rehearse", align="left")
    result = make_rehearsal(packed.path, platform, contest=contest, prepared=prepared, workspace=workspace)
    console.print(result.table())
    return result


def conclude(contest: ContestConfig, packed: PackedZip, made: Blend, result: Rehearsal, console: Console) -> None:
    """What a contestant wants to know at the end, and what to do next."""
    console.rule("result", align="left")
    expected = made.expected
    console.print(f"zip       {packed.path}  ({packed.size_mb:.1f} MB, sha256 {packed.sha256[:12]})")
    console.print(
        f"expect    {expected.point:.3f} on the hidden test, {expected.low:.3f} to {expected.high:.3f} with "
        f"{expected.level:.0%} probability ({expected.expects}); clean {made.nested.clean:.3f}"
    )
    if result.hidden is not None:
        inside = "inside" if expected.low <= result.hidden <= expected.high else "outside"
        console.print(f"achieved  {result.hidden:.3f} on the practice contest's hidden test: {inside} the interval")
    if not result.passed:
        console.print("[red]The rehearsal failed: do not upload this zip.[/red] The table above says what to mend.")
        return
    console.print(f"next      kit upload {packed.path} --phase PHASE_ID   (or the platform's web page)")


def summary(contest: ContestConfig, packed: PackedZip, made: Blend, result: Rehearsal) -> dict[str, Any]:
    """The result as plain values, for --json."""
    return {
        "contest": contest.name,
        "zip": str(packed.path),
        "size_mb": packed.size_mb,
        "sha256": packed.sha256,
        "ensemble": made.kind,
        "members": {member.recipe: member.weight for member in made.members},
        "nested": asdict(made.nested),
        "expected": asdict(made.expected),
        "hidden": result.hidden,
        "rehearsal_passed": result.passed,
    }
