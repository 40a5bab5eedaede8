"""What the page shows, read from the files of a workspace; what is not there yet is None or empty."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit.config import ContestConfig
from kit.data.cleaning import decisions
from kit.data.sources import cache
from kit.data.sources.imageset import ImageSet
from kit.data.stale import Record
from kit.ensemble.blend import Blend
from kit.ensemble.pool import Pool, make_pool
from kit.ensemble.scoring import leaderboard
from kit.ensemble.scoring.scores import Score
from kit.errors import KitError, OofError
from kit.metrics.registry import get_metric
from kit.oof_store import OofRun
from kit.platforms import ledger
from kit.report.stored_runs import runs_that_belong
from kit.report.zips import Submission, newest_first, newest_of, open_submission
from kit.storage import exists
from kit.sweep.stored import StoredSummary, stored_summaries
from kit.workspace import Workspace


@dataclass(frozen=True)
class Board:
    """The runs, best first; `pool`, `rows` (of `kit.ensemble.scoring.leaderboard`) and `scores` in the same order."""

    runs: list[OofRun]
    pool: Pool
    rows: list[dict[str, Any]]
    scores: list[Score]

    @property
    def shifted(self) -> bool:
        """Whether the runs were scored on shifted images."""
        return self.pool.proba.shape[2] > 1

    @property
    def metric(self) -> str:
        """The contest's metric in words."""
        return get_metric(self.pool.metric).title


@dataclass(frozen=True)
class Material:
    """All there is of one contest."""

    contest: ContestConfig
    board: Board | None
    blend: Blend | None
    proba: np.ndarray | None
    """(N, 1 + K, C): the blend's predictions on the out-of-fold rows of `board.pool`."""
    submission: Submission | None
    rehearsal: dict[str, Any] | None
    remote: list[dict[str, Any]]
    """Scores that the platform gave the zip: lines of the ledger."""
    cleaning: pd.DataFrame | None
    """clean.csv."""
    sweeps: list[StoredSummary]
    images: ImageSet | None
    """All images of the source, dropped ones too."""
    notes: list[str]
    """What is left out, and why."""


def gather(contest: ContestConfig, workspace: Workspace, zip_path: Path | None = None) -> Material:
    """What the workspace holds of `contest`: around the zip at `zip_path`, or the newest blend and its zip.

    OofError where it holds nothing yet; what is broken is left out and noted.
    """
    folder = workspace.oof(contest.name)
    notes: list[str] = []
    blends = _blends(folder, notes)
    submission, blend = _subject(contest, workspace, zip_path, blends, notes)
    board = _board(runs_that_belong(folder, blend, notes), contest, blend)
    cleaning = _cleaning(folder / "clean.csv", notes)
    sweeps = stored_summaries(folder, notes)
    if board is None and cleaning is None and submission is None and not sweeps:
        why = " ".join(["a report needs something to show, but there is nothing.", *notes, "Start: kit train"])
        raise OofError(f"{folder}: {why}")
    return Material(
        contest=contest,
        board=board,
        blend=blend,
        proba=_blend_proba(blend, board, notes),
        submission=submission,
        rehearsal=submission.rehearsal() if submission else None,
        remote=_remote(workspace, submission),
        cleaning=cleaning,
        sweeps=sweeps,
        images=_images(workspace, contest, board, notes),
        notes=notes,
    )


def _blends(folder: Path, notes: list[str]) -> list[Blend]:
    """All blends of the contest, newest first."""
    found = []
    for path in newest_first(folder / "blends", "*.json"):
        try:
            found.append(Blend.from_json(path))
        except KitError as error:
            notes.append(f"{path.name} is left out: {error}")
    return found


def _cleaning(path: Path, notes: list[str]) -> pd.DataFrame | None:
    if not exists(path):
        return None
    try:
        return decisions.read(path)
    except KitError as error:
        notes.append(f"Cleaning is left out: {error}")
        return None


def _subject(
    contest: ContestConfig, workspace: Workspace, zip_path: Path | None, blends: list[Blend], notes: list[str]
) -> tuple[Submission | None, Blend | None]:
    """The zip and the blend that the page is about."""
    if zip_path is None:
        blend = blends[0] if blends else None
        return newest_of(workspace.submissions, contest.name, blend), blend
    submission = open_submission(zip_path)
    blend = next((blend for blend in blends if submission.holds(blend)), None)
    if blend is None:
        notes.append(f"{zip_path.name}: no blend of {contest.name} in this workspace is the one that was packed.")
    return submission, blend


def _board(runs: list[OofRun], contest: ContestConfig, blend: Blend | None) -> Board | None:
    if not runs:
        return None
    merges = {member.recipe: member.merge for member in blend.members} if blend else {}
    pool = make_pool(runs, contest.expects, contest.metric, merges=merges)
    rows = leaderboard.rows(runs, contest, pool)
    order = [pool.names.index(row["recipe"]) for row in rows]
    ordered = pool.members(order)
    return Board([runs[place] for place in order], ordered, rows, ordered.member_scores())


def _blend_proba(blend: Blend | None, board: Board | None, notes: list[str]) -> np.ndarray | None:
    if blend is None:
        return None
    there = board.pool.names if board else ()
    absent = [member.recipe for member in blend.members if member.recipe not in there]
    if board is None or absent:
        notes.append(f"Figures of the blend are left out: its members {', '.join(absent)} are not in the store.")
        return None
    return blend.proba(board.pool)


def _remote(workspace: Workspace, submission: Submission | None) -> list[dict[str, Any]]:
    table = ledger.read(workspace)
    ours = (table["event"] == "scored") & (table["sha256"] == (submission.sha256 if submission else ""))
    return [{str(key): value for key, value in line.items()} for line in table[ours].to_dict("records")]


def _images(workspace: Workspace, contest: ContestConfig, board: Board | None, notes: list[str]) -> ImageSet | None:
    """The decoded images, from the cache; those of the runs' data where there are runs."""
    digest = board.runs[0].info["digests"]["data"] if board else _prepared_digest(workspace, contest)
    images = cache.by_digest(workspace.cache / "data", digest, contest.classes) if digest else None
    if images is None:
        notes.append(f"Images are left out: they are no longer in {workspace.cache}. Decode them again: kit clean")
    return images


def _prepared_digest(workspace: Workspace, contest: ContestConfig) -> str:
    return Record.read(workspace.oof(contest.name) / "prepared.json").clean.get("data", "")
