"""What a budget decided and why, kept so that an interrupted run goes on with the same folds and epochs.

Other commands of the same contest keep to its folds too: `folds.csv` made anew would make every run stale.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kit.artefact import read_json, write_json
from kit.config import ContestConfig
from kit.data.stale import Record
from kit.errors import ArtefactError
from kit.situation.settled import settled
from kit.storage import exists
from kit.workspace import Workspace


@dataclass(frozen=True)
class Plan:
    """`oof/<contest>/plan.json`."""

    minutes: float
    """The budget that it belongs to."""
    n_splits: int
    """Folds that it allows."""
    raced: str = ""
    """Digest of what the race that it stands on depends on."""
    fold_digest: str = ""
    """The folds that `epochs` were planned for."""
    epochs: dict[str, float] = field(default_factory=dict)
    """Epochs of each recipe whose turn has come."""
    cells_per_row: int = 0
    """Shifts of every row that are scored; 0: as the contest says."""
    heats: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """What each recipe did in the race (`kit.pipeline.race.Heat`)."""
    expected: float | None = None
    """Score of the blend that the plan expected."""
    reasons: list[str] = field(default_factory=list)
    """Why it is so, line by line."""
    data: str = ""
    """Digest of the images that it was made for; empty in plans from before it was noted."""

    @classmethod
    def read(cls, workspace: Workspace, contest: ContestConfig) -> Plan | None:
        """The plan of the last budget; None where there was none. ArtefactError where the file is broken."""
        path = plan_path(workspace, contest)
        if not exists(path):
            return None
        try:
            return cls(**read_json(path, rerun=f"rm {path}, and the same command again"))
        except TypeError as error:
            raise ArtefactError(f"{path}: not a plan ({error}). Delete it, and run the same command again") from error

    def write(self, workspace: Workspace, contest: ContestConfig) -> None:
        """Replaces the contest's plan."""
        write_json(plan_path(workspace, contest), asdict(self))

    def applied(self, contest: ContestConfig) -> ContestConfig:
        """The contest with the plan's folds, scored under its number of shifts."""
        contest = with_splits(contest, self.n_splits)
        if not self.cells_per_row:
            return contest
        return contest.model_copy(
            update={"shift": contest.shift.model_copy(update={"cells_per_row": self.cells_per_row})}
        )


def plan_path(workspace: Workspace, contest: ContestConfig) -> Path:
    """Where the plan of a contest lies."""
    return workspace.oof(contest.name) / "plan.json"


def with_splits(contest: ContestConfig, n_splits: int) -> ContestConfig:
    """The contest with another number of folds."""
    return contest.model_copy(update={"folds": contest.folds.model_copy(update={"n_splits": n_splits})})


def planned(contest: ContestConfig, workspace: Workspace) -> ContestConfig:
    """The contest with the folds that the last budget left, and clean or shifted as its situation was found."""
    plan = Plan.read(workspace, contest)
    return settled(contest if plan is None else _kept(plan, contest, workspace), workspace)


def _kept(plan: Plan, contest: ContestConfig, workspace: Workspace) -> ContestConfig:
    """The contest as planned; ArtefactError for a plan of other images that would have folds made anew.

    Of one whose images changed since, the folds that are in use stay.
    """
    folder = workspace.oof(contest.name)
    record = Record.read(folder / "prepared.json")
    now = record.clean.get("data", "")
    if not (plan.data and now) or plan.data == now:
        return plan.applied(contest)
    folded = with_splits(contest, plan.n_splits)
    if not record.has_folds_of(folded.folds):
        path = plan_path(workspace, contest)
        raise ArtefactError(
            f"{path}: planned for other images ({plan.data[:12]}) than the contest's ({now[:12]}), and for "
            f"{plan.n_splits} folds, which folds.csv has not. Delete it: rm {path}; then run the same command again"
        )
    return folded
