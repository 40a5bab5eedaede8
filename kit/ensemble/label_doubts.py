"""Labels that the out-of-fold predictions of several recipes contradict: ranked, drawn, acted on when asked.

The ranking goes to `labels.csv` and its first images to `labels.png`, both beside `clean.csv`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from kit.artefact import write_csv
from kit.config import ContestConfig
from kit.data.cleaning import decisions, label_errors
from kit.data.cleaning.contact_sheet import COLUMNS, Block, write_sheet
from kit.data.prepared import cleaned
from kit.data.sources.imageset import ImageSet
from kit.echo import Echo
from kit.ensemble.pool import make_pool
from kit.errors import DataError
from kit.oof_store import load_runs
from kit.workspace import Workspace

SHOWN = 4 * COLUMNS
"""Images on the sheet."""
MOST = 0.1
"""Largest share of the rows that is acted on at once without a `yes`: weak runs doubt half of all labels."""


def rank_labels(
    contest: ContestConfig, path: Path | None, workspace: Workspace, recipes: Sequence[str], echo: Echo = print
) -> pd.DataFrame:
    """Ranks labels by the complete runs of `recipes`, of all where none is named, and writes the table down."""
    image_set, _ = cleaned(contest, path, workspace, echo)
    runs = load_runs(workspace, contest.name, list(recipes) or None)
    pool = make_pool(runs, "clean", contest.metric)
    probabilities = dict(zip(pool.names, pool.proba[:, :, 0]))
    ranking = label_errors.rank(runs[0].ids, pool.labels, probabilities, contest.classes)
    folder = workspace.oof(contest.name)
    write_csv(folder / "labels.csv", ranking)
    write_sheet(folder / "labels.png", [_block(image_set, ranking)])
    echo(f"  {folder / 'labels.csv'}: {int(ranking['issue'].sum()):,} labels doubted; images in labels.png")
    return ranking


def _block(image_set: ImageSet, ranking: pd.DataFrame) -> Block:
    """The most doubtful images; those of rows that are no longer there are left out."""
    place = {one: row for row, one in enumerate(image_set.ids.tolist())}
    shown = ranking[ranking["id"].isin(place.keys())].head(SHOWN).to_dict("records")
    rows = np.array([place[row["id"]] for row in shown], dtype=np.int64)
    captions = [f"{row['id']} {row['label']}: {row['suggested']}?" for row in shown]
    return Block("most doubtful labels", image_set.images[rows], captions, "id, label: what the recipes predict")


def act(
    contest: ContestConfig,
    workspace: Workspace,
    ranking: pd.DataFrame,
    ids: Sequence[str],
    weight: float | None,
    yes: bool = False,
) -> int:
    """Drop the rows `ids`, or those with a doubted label where none is named, or keep them at `weight` in the loss.

    Rewrites `clean.csv` as a person's edit, which stays. Returns how many rows. DataError for more than the share
    `MOST` of the rows, none of them named, unless `yes`.
    """
    file = workspace.oof(contest.name) / "clean.csv"
    chosen = list(ids) or ranking.loc[ranking["issue"], "id"].tolist()
    if not chosen:
        raise DataError("labels: none is doubted, so there is nothing to act on. Name rows by --id to act on them.")
    if not ids and not yes and len(chosen) > MOST * len(ranking):
        raise DataError(
            f"labels: at most {MOST:.0%} of the rows are acted on at once, but {len(chosen):,} of {len(ranking):,} are "
            f"doubted, which says more about the runs than about the labels. Train better recipes, ask the best alone "
            f"(--recipe), name rows by --id, or add --yes."
        )
    table = decisions.read(file)
    if weight is None:
        table = label_errors.drop(table, ranking, chosen)
    else:
        table = label_errors.down_weight(table, ranking, chosen, weight)
    write_csv(file, table)
    return len(chosen)
