"""From a contest's training data to a rehearsed zip: the whole pipeline, stage by stage.

Every stage writes files under oof/ and submissions/ and reuses what is there, so the same command goes on where
an interrupted one stopped. Each stage is also a command of its own: see `kit --help`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kit.config import load_contest, load_platform
from kit.options import (
    contest_options,
    json_option,
    make_console,
    make_echo,
    run_guarded,
    unmatched_option,
    wide_option,
    with_common,
)
from kit.packaging.rows import Unmatched
from kit.workspace import Workspace

if TYPE_CHECKING:
    from kit.pipeline.stages.rehearsal import When

STARTED = time.monotonic()
"""A budget begins here, before anything slow is imported."""

EXAMPLES = """
\b
Examples:
  python make_submission.py                      the embedded practice contest
  python make_submission.py --contest mine --data training_set.npz --budget 45
  python make_submission.py --contest mine --recipes residual_64 --out a.zip
  python make_submission.py --contest mine --ensemble auto --rehearsal none
"""


@click.command(epilog=EXAMPLES)
@contest_options
@click.option("--ensemble", help="best5, all, auto, ...: see `kit blend --help`; the contest's by default.")
@click.option("--platform", "platform_name", help="Name of a file in configs/platforms; the contest's by default.")
@click.option("--recipes", help="Comma-separated recipes; the contest's set for this machine by default.")
@click.option("--budget", type=click.FloatRange(min=0, min_open=True), metavar="MINUTES",
              help="Plan recipes, folds and epochs so that everything ends within it.")
@unmatched_option
@click.option("--rehearsal", "when", type=click.Choice(["new", "again", "none"]), default="new", show_default=True,
              help="new: rehearse the zip unless the same bytes passed before; again: in any case; none: leave it out.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The zip, or the file of predictions.")
@wide_option
@json_option
def main(contest: str, data: Path | None, root: Path, ensemble: str | None, platform_name: str | None,
         recipes: str | None, budget: float | None, unmatched: Unmatched, when: When, out: Path | None,
         as_json: bool) -> None:
    """Clean, train, score, blend, pack and rehearse a submission; do what is missing, reuse what is there.

    Where the contest takes a file of predictions, the zip predicts its test images, and the file is rehearsed.
    """
    console = make_console(stderr=as_json)
    workspace = Workspace(root.resolve())
    config = load_contest(contest)
    config = config.model_copy(update={"platform": platform_name or config.platform})
    platform = load_platform(config.platform)
    ensemble = ensemble or config.ensemble

    # Here, because torch takes seconds: Ctrl-C is heeded meanwhile, and --help is quick.
    from kit.cluster.crew import Crew
    from kit.pipeline import prediction_file
    from kit.pipeline.clock import Clock
    from kit.pipeline.stages.blending import blend
    from kit.pipeline.stages.conclusion import conclude, summary
    from kit.pipeline.stages.data import prepare_data
    from kit.pipeline.stages.expectation import shares_expected
    from kit.pipeline.stages.packing import pack
    from kit.pipeline.stages.recipes import choose
    from kit.pipeline.stages.rehearsal import rehearse
    from kit.pipeline.stages.training import train

    clock = Clock(budget, STARTED, time.monotonic() - STARTED)
    file = prediction_file.wanted(config, platform, unmatched)  # None where code is submitted
    runs_on = platform if file is None else file.runs_on
    chosen = choose(config, recipes, ensemble, workspace, console, budget)
    with Crew() as crew:
        config, prepared = prepare_data(config, data, workspace, chosen, clock, crew, console)
        asked = prediction_file.held_against_sample(file, workspace, make_echo(console))
        images = prediction_file.to_predict(asked)
        trained = train(config, prepared, chosen, workspace, clock, crew, console, images)
    shares = shares_expected(config, prepared, workspace, console)
    made = blend(config, trained, ensemble, workspace, console, shares=shares)
    packed = pack(config, made, runs_on, workspace, out if file is None else None, console, lambda: prepared)
    result = rehearse(config, packed, prepared, runs_on, workspace, console, clock, when, images)
    predicted = prediction_file.predict(file, asked, packed, result, workspace, out, console)
    conclude(config, packed, result, workspace, console, predicted)

    if as_json:
        print(json.dumps(summary(config, packed, result, predicted)))
    sound = result is None or result.passed
    sys.exit(0 if sound and (file is None or (predicted is not None and predicted.passed)) else 1)


if __name__ == "__main__":
    run_guarded(with_common(main))
