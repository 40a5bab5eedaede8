"""From a contest's training data to a rehearsed zip: the whole pipeline, stage by stage.

Every stage writes files under oof/ and submissions/ and reuses what is there, so the same command goes on where
an interrupted one stopped. Each stage is also a command of its own: see `kit --help`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from kit.config import load_contest, load_platform
from kit.options import contest_options, json_option, make_console, run_guarded, wide_option, with_common
from kit.workspace import Workspace

STARTED = time.monotonic()
"""A budget begins here, before anything slow is imported."""

EXAMPLES = """
\b
Examples:
  python make_submission.py                              the embedded practice contest, minutes on a laptop
  python make_submission.py --contest an2dl2024 --data training_set.npz --budget 45 --ensemble best5
  python make_submission.py --contest an2dl2024 --platform codabench-timm --out best5.zip
"""


@click.command(epilog=EXAMPLES)
@contest_options
@click.option("--ensemble", help="best5, all, auto, ...: see `kit blend --help`; the contest's by default.")
@click.option("--platform", "platform_name", help="Name of a file in configs/platforms; the contest's by default.")
@click.option("--recipes", help="Comma-separated recipes; the contest's set for this machine by default.")
@click.option("--budget", type=click.FloatRange(min=0, min_open=True), metavar="MINUTES",
              help="Plan recipes, folds and epochs so that everything ends within it.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The zip to write.")
@wide_option
@json_option
def main(contest: str, data: Path | None, root: Path, ensemble: str | None, platform_name: str | None,
         recipes: str | None, budget: float | None, out: Path | None, as_json: bool) -> None:
    """Clean, train, score, blend, pack and rehearse a submission; do what is missing, reuse what is there."""
    console = make_console(stderr=as_json)
    workspace = Workspace(root.resolve())
    config = load_contest(contest)
    platform = load_platform(platform_name or config.platform)
    ensemble = ensemble or config.ensemble

    from kit.pipeline import (
        stages,  # here, because torch takes seconds: Ctrl-C is heeded meanwhile, and --help is quick
    )

    clock = stages.Clock(budget, STARTED, time.monotonic() - STARTED)
    chosen = stages.choose(config, recipes, ensemble, console, budget)
    with stages.Crew() as crew:
        config, prepared = stages.prepare_data(config, data, workspace, chosen, clock, crew, console)
        trained = stages.train(config, prepared, chosen, workspace, clock, crew, console)
    shares = stages.shares_expected(config, prepared, workspace, console)
    blend = stages.blend(config, trained, ensemble, workspace, console, shares=shares)
    packed = stages.pack(config, blend, platform, workspace, out, console, lambda: prepared)
    rehearsal = stages.rehearse(config, packed, prepared, platform, workspace, console, clock)
    stages.conclude(config, packed, rehearsal, workspace, console)

    if as_json:
        print(json.dumps(stages.summary(config, packed, rehearsal)))
    sys.exit(0 if rehearsal.passed else 1)


if __name__ == "__main__":
    run_guarded(with_common(main))
