"""A sweep on a full disk, and on a machine whose clock is moved: nothing that was finished is lost."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from sweep_toy import FakeFit, FakeMaker, open_toy, sweep_session, toy_sweep
from test_artefact import file_size_limit

from kit.cluster.unit import Talk
from kit.errors import DiskError, SweepError
from kit.sweep.confirm import read_confirmed
from kit.sweep.objective import FoldResult
from kit.sweep.status import Status, status
from kit.sweep.storage import JOURNAL

SWEEP = toy_sweep(budget={"trials": 6}, confirm={"winners": 0, "noise_seeds": 1}, pruning={"folds": "none"})


# ------------------------------------------------------------------------------------------------------ journal
def test_a_journal_on_a_full_disk_keeps_whole_lines_alone_and_goes_on_when_there_is_space(tmp_path: Path) -> None:
    study = open_toy(SWEEP, tmp_path)
    journal = tmp_path / JOURNAL
    before = journal.read_bytes()
    with file_size_limit(len(before) + 20), pytest.raises(OSError, match="File too large"):
        study.ask()
    assert journal.read_bytes() == before, "the line was longer than 20 bytes: it is not there by half"
    study.tell(study.ask(), 0.5)
    assert [trial.value for trial in open_toy(SWEEP, tmp_path).trials] == [0.5]


def test_what_another_process_wrote_by_half_is_not_written_behind(tmp_path: Path) -> None:
    study = open_toy(SWEEP, tmp_path)
    with open(tmp_path / JOURNAL, "ab") as file:
        file.write(b'{"op_code": 4, "wor')
    study.tell(study.ask(), 0.25)
    assert all(json.loads(line) for line in (tmp_path / JOURNAL).read_text().splitlines())
    assert [trial.value for trial in open_toy(SWEEP, tmp_path).trials] == [0.25]


# -------------------------------------------------------------------------------------------------------- trials
class FullAt(FakeMaker):
    """Fits that find the disk full from the `number`-th on, as long as it is."""

    def __init__(self, number: int, stage: str) -> None:
        super().__init__()
        self.number, self.stage, self.left, self.full = number, stage, number, True

    def unit(self, recipe: Any, fold: int, stage: str) -> Any:
        made = super().unit(recipe, fold, stage)
        self.left -= stage.startswith(self.stage)
        if self.full and self.left < 0 and stage.startswith(self.stage):
            object.__setattr__(made, "job", no_space)
        return made


def no_space(talk: Talk, share: float) -> FoldResult:
    raise DiskError("checkpoint.pt: cannot be written (No space left on device). Free space")


def test_a_full_disk_ends_the_session_and_costs_no_trial(tmp_path: Path) -> None:
    maker = FullAt(3 + 3 + 1, "search")  # the base, a trial, a fold
    said: list[str] = []
    session = sweep_session(SWEEP, tmp_path, maker, said)
    with pytest.raises(SweepError, match="No space left on device.*The trial goes on from its last epoch then"):
        session.run()
    trials = open_toy(SWEEP, tmp_path).trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.WAITING]
    assert trials[1].user_attrs["reason"] == "interrupted: the disk is full"
    assert not any("FAILED" in line for line in said)
    maker.full = False
    sweep_session(SWEEP, tmp_path, maker, said).run()
    trials = open_toy(SWEEP, tmp_path).trials
    assert sum(trial.state == TrialState.COMPLETE for trial in trials) == 6
    assert trials[2].params == trials[1].params
    assert trials[2].user_attrs["retries"] == 0, "it has all its tries left"


def test_a_test_of_winners_that_a_full_disk_cut_short_is_not_kept(tmp_path: Path) -> None:
    sweep = toy_sweep(budget={"trials": 4}, confirm={"winners": 1, "noise_seeds": 1})
    maker = FullAt(2, "fresh")
    with pytest.raises(SweepError, match="No space left on device"):
        sweep_session(sweep, tmp_path, maker, []).run()
    assert read_confirmed(open_toy(sweep, tmp_path)) == []
    maker.full = False
    sweep_session(sweep, tmp_path, maker, []).run()
    (tested,) = read_confirmed(open_toy(sweep, tmp_path))
    assert len(tested.gaps) == sweep.confirm.seeds * sweep.confirm.folds


def test_a_disk_too_full_for_the_book_of_hours_ends_it_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = sweep_session(SWEEP, tmp_path, FakeMaker(), [])

    def full(path: Path, value: Any) -> None:
        raise DiskError(f"{path}: cannot be written (No space left on device). Free space")

    monkeypatch.setattr("kit.sweep.hours.write_json", full)
    monkeypatch.setattr("kit.sweep.hours.EVERY", 0.0)
    with pytest.raises(DiskError, match="hours.json: cannot be written"):
        session.run()
    assert not list((tmp_path / "owners").iterdir()), "its ownership is given back all the same"


# --------------------------------------------------------------------------------------------------------- clock
@pytest.mark.parametrize("by", [timedelta(days=-400), timedelta(days=400)])
def test_a_clock_that_is_moved_meanwhile_changes_nothing(
    by: timedelta, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wall time jumps at every trial's end; hours, owners and what is left go by clocks that nobody sets."""
    now = [datetime(2030, 1, 1)]

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return now[0].astimezone(tz)

    fitted = FakeFit.__call__

    def fit(self: FakeFit, talk: Talk, share: float) -> FoldResult:
        now[0] += by / 7
        return fitted(self, talk, share)

    monkeypatch.setattr("optuna.storages.journal._storage.datetime", Jumping)
    monkeypatch.setattr("time.time", lambda: now[0].timestamp())
    monkeypatch.setattr(FakeFit, "__call__", fit)
    seen: list[Status] = []
    session = sweep_session(SWEEP, tmp_path, FakeMaker(), [])
    monkeypatch.setattr("kit.sweep.session.SELDOM", 0.0)
    session.watch = lambda one: seen.append(status(one.study, SWEEP, one.hours.left))
    session.run()
    trials = open_toy(SWEEP, tmp_path).trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 6
    assert session.hours.spent < 60
    left = [one.minutes_left for one in seen if one.minutes_left is not None]
    assert all(0 <= minutes <= 60 * SWEEP.budget.hours for minutes in left)
    assert abs(trials[-1].datetime_start - trials[0].datetime_start) > abs(by) / 2, "it was moved"
