"""The pipeline from Python: what the commands do, with dataclasses, arrays and DataFrames as results.

Every function does what is missing and reuses the files under `oof/` and `submissions/`, as the commands do: a
notebook and the command line can take turns. Errors are those of kit/errors.py. Results show themselves in notebooks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from kit.cluster.training import train_all
from kit.config import ContestConfig, PlatformConfig, RecipeConfig, load_platform
from kit.config import load_contest as read_contest
from kit.data.prepared import Prepared
from kit.data.prepared import prepare as make_prepared
from kit.ensemble.blend import Blend
from kit.ensemble.scoring import leaderboard as board
from kit.errors import DataError
from kit.oof_store import OofRun, check_shifts, load_runs
from kit.options import make_console, make_echo
from kit.packaging.pack import Notebook
from kit.packaging.packed import PackedZip
from kit.pipeline.named import find_recipe
from kit.pipeline.plan import planned
from kit.pipeline.stages import blending, packing
from kit.pipeline.stages.recipes import chosen_recipes
from kit.platforms.predict import predicted
from kit.rehearsal.rehearse import check
from kit.rehearsal.rehearse import rehearse as make_rehearsal
from kit.rehearsal.result import Rehearsal
from kit.situation.settled import settled
from kit.situation.situation import find_situation
from kit.start.init import Started, start
from kit.storage import exists
from kit.table import Grid
from kit.train.names import check_names
from kit.workspace import Workspace


@dataclass(frozen=True)
class Contest:
    """A contest in a working folder."""

    config: ContestConfig
    """What its file says."""
    workspace: Workspace
    """Where `oof/` and `submissions/` lie."""
    data: Path | None
    """The training data, where they lie elsewhere than the file says."""
    console: Console
    """Where progress is printed."""

    @property
    def name(self) -> str:
        """The contest's name."""
        return self.config.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the integer labels."""
        return self.config.classes


@dataclass(frozen=True)
class Leaderboard:
    """The scores of all complete runs, the best selection score first."""

    rows: list[dict[str, Any]]
    """A row a recipe; scores in the contest's metric, log loss in nats, parameters as a count."""
    grid: Grid

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a DataFrame."""
        return pd.DataFrame(self.rows)

    def _repr_html_(self) -> str:
        return self.grid._repr_html_()


def init(
    name: str,
    data: str | Path,
    test: str | Path | None = None,
    sample: str | Path | None = None,
    platform: str | None = None,
    force: bool = False,
) -> Started:
    """Looks at the data and writes configs/contests/<name>.toml, as `kit init` does; what was seen and unsure.

    test: unlabelled test images. sample: the sample submission; the one beside the data by default. force: write the
    file anew. DataError for data in no form that the kit reads, ConfigError for a file that is there already.
    """
    tests, example = (None if one is None else Path(one) for one in (test, sample))
    return start(name, Path(data), tests, example, platform, force=force)


def load_contest(
    name: str | Path, data: str | Path | None = None, root: str | Path = ".", quiet: bool = False
) -> Contest:
    """The contest of that name (a file in configs/contests) or path.

    data: the training data, where they lie elsewhere than its file says. root: where `oof/` and `submissions/` lie.
    quiet: print no progress. ConfigError when the file is missing or breaks a rule.
    """
    workspace = Workspace(Path(root).resolve())
    console = Console(quiet=True) if quiet else make_console()
    return Contest(planned(read_contest(name), workspace), workspace, None if data is None else Path(data), console)


def prepare(contest: Contest) -> Prepared:
    """The kept rows with images (N, S, S, 3) uint8, labels (N,) int64 and folds (N,) int64.

    Writes `clean.csv` and `folds.csv` where they are missing. DataError for whatever the data break.
    """
    echo = make_echo(contest.console)
    prepared = make_prepared(contest.config, contest.data, contest.workspace, echo)
    find_situation(contest.config, prepared, contest.workspace, echo)
    return prepared


def fit(
    contest: Contest,
    prepared: Prepared,
    recipes: Sequence[str | RecipeConfig] = (),
    folds: Sequence[int] | None = None,
    workers: int | None = None,
) -> dict[str, OofRun]:
    """Trains and scores what is missing of the recipes; their complete runs by name.

    recipes: names of files in configs/recipes, or configurations; the contest's set for this machine when none is
    given. folds: only these; a run is complete, and returned, once all folds are there. workers: fits at once.
    TrainError names what failed, after the rest is done.
    """
    echo = make_echo(contest.console)
    chosen = [find_recipe(one) if isinstance(one, str) else one for one in recipes]
    chosen = chosen or chosen_recipes(contest.config, None, contest.workspace, echo)
    for recipe in chosen:
        check_names(contest.config, recipe)
    train_all(contest.config, prepared, chosen, contest.workspace, echo, folds, workers)
    done = [one.name for one in chosen if exists(contest.workspace.run(contest.name, one.name) / "run.json")]
    return oof(contest, done) if done else {}


def oof(contest: Contest, recipes: Sequence[str] | None = None) -> dict[str, OofRun]:
    """Out-of-fold predictions by recipe: every kept row, predicted by the fold model that has not seen it.

    Of each run: ids (N,) str, labels (N,) int64, logits (N, V, C) float32 of clean images through V views, shifted
    (N, K, V, C) float32 under K shifts. recipes: all complete runs when None. OofError where they are missing, or do
    not belong together.
    """
    runs = load_runs(contest.workspace, contest.name, None if recipes is None else list(recipes))
    check_shifts(runs, contest.config.shift)
    return {run.recipe: run for run in runs}


def leaderboard(contest: Contest, recipes: Sequence[str] | None = None) -> Leaderboard:
    """Scores of all complete runs, or of `recipes`, on rows that they were not trained on."""
    config = settled(contest.config, contest.workspace)
    rows = board.rows(list(oof(contest, recipes).values()), config)
    return Leaderboard(rows, board.table(rows, config.expects))


def blend(contest: Contest, name: str = "best5", recipes: Sequence[str] | None = None, **more: Any) -> Blend:
    """The ensemble of that name (`kit blend --help` lists them), with its nested score and the score to expect.

    Written to `oof/<contest>/blends/<name>.json`. recipes: the runs to choose from; all complete ones when None.
    more: fields of `kit.ensemble.blend.BlendRequest`. EnsembleError where members cannot be blended.
    """
    runs = list(oof(contest, recipes).values())
    config = settled(contest.config, contest.workspace)
    return blending.blend(config, runs, name, contest.workspace, contest.console, **more)


def package(
    contest: Contest,
    blended: Blend,
    out: str | Path | None = None,
    platform: str | PlatformConfig | None = None,
    notebook: Notebook | None = None,
    adapt: bool = False,
    prepared: Callable[[], Prepared] | None = None,
    final: bool = False,
) -> PackedZip:
    """The blend as a zip for a platform; the contest's own, and beside the other submissions, by default.

    platform: the name of a file in configs/platforms, or a configuration (its max_mb and max_seconds are kept to).
    prepared: gives the prepared data where packing needs them (the size ladder); they are loaded when it is None.
    final: with a network of the strongest recipe that is trained on all rows, the vault's too, where it fits.
    PackagingError where the blend cannot be packed.
    """
    return packing.pack(
        contest.config,
        blended,
        _platform(contest, platform),
        contest.workspace,
        None if out is None else Path(out),
        contest.console,
        prepared or (lambda: prepare(contest)),
        notebook,
        adapt,
        final,
    )


def rehearse(
    contest: Contest,
    zipped: PackedZip | str | Path,
    platform: str | PlatformConfig | None = None,
    level: str | None = None,
) -> Rehearsal:
    """The zip run as its platform runs it: every check with its figure.

    level: "check" (nothing is run), "run" (in this Python) or "platform" (in an environment with exactly the
    platform's packages); chosen by what this Python has when None. RehearsalError when the zip cannot be opened.
    """
    path = zipped.path if isinstance(zipped, PackedZip) else Path(zipped)
    config = _platform(contest, platform)
    if level == "check":
        return check(path, config)
    echo = make_echo(contest.console)
    return make_rehearsal(
        path,
        config,
        contest=contest.config,
        prepared=prepare(contest),
        workspace=contest.workspace,
        level=level,
        echo=echo,
    )


def predict(
    contest: Contest,
    zipped: PackedZip | str | Path,
    images: str | Path | None = None,
    out: str | Path = "submission.csv",
    sample: str | Path | None = None,
    platform: str | None = None,
) -> pd.DataFrame:
    """Labels images with a packed zip, and writes the file that a platform takes; its table, every value as text.

    images: the contest's test images by default. sample: decides columns, ids and order. platform: which takes the
    file; the contest's own by default. DataError where there are no images, or ids do not match the sample's.
    """
    place = images or contest.config.data.test
    if not place:
        raise DataError(f"{contest.name}: has no test images. Give images=PATH, or set [data] test in its file")
    path = zipped.path if isinstance(zipped, PackedZip) else Path(zipped)
    taker, echo = _platform(contest, platform), make_echo(contest.console)
    example = contest.config.sample_file if sample is None else Path(sample)
    predicted(contest.config, contest.workspace, path, Path(place), taker, Path(out), sample=example, echo=echo)
    return pd.read_csv(out, dtype=str, keep_default_na=False)


def _platform(contest: Contest, platform: str | PlatformConfig | None) -> PlatformConfig:
    return platform if isinstance(platform, PlatformConfig) else load_platform(platform or contest.config.platform)
