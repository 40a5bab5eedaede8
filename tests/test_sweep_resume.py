"""What a killed, cut-off or doubled sweep leaves behind, and how the next session goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import Trial, TrialState
from sweep_toy import BASE, SPACE, FakeMaker, Inline, open_toy, sweep_session, toy_sweep

import kit
from kit.errors import SweepError
from kit.secrets import masked
from kit.sweep import owners, storage
from kit.sweep.confirm import winners
from kit.sweep.owners import GRACE, Owner, Watcher, requeue
from kit.sweep.space import draw
from kit.sweep.storage import JOURNAL, opened, patiently
from kit.sweep.summary import summary

SWEEP = toy_sweep(budget={"trials": 6}, confirm={"winners": 0, "noise_seeds": 1}, pruning={"folds": "none"})
SESSION = """
import sys, time
from pathlib import Path
from sweep_toy import FakeFit, FakeMaker, sweep_session
from test_sweep_resume import SWEEP
import sweep_toy

def slow(self, talk, share, quick=FakeFit.__call__):
    print(self.recipe.name, self.fold, self.stage, flush=True)
    time.sleep(0.1)
    return quick(self, talk, share)

sweep_toy.FakeFit.__call__ = slow
sweep_session(SWEEP, Path(sys.argv[1]), FakeMaker(), []).run()
"""


class Killed(BaseException):
    """As abrupt as can be had within a process."""


def run_until(count: int, folder: Path, **more: Any) -> None:
    """A session that dies after `count` units, its trials left as they are."""
    ended = 0

    class Dying(Inline):
        def events(self, timeout: float) -> list[Any]:
            nonlocal ended
            found = super().events(timeout)
            ended += len(found)
            if ended > count:
                raise Killed
            return found

    session = sweep_session(SWEEP, folder, FakeMaker(), [], backend=Dying(), **more)
    session.search.release = lambda reason: None  # type: ignore[method-assign]
    with pytest.raises(Killed):
        session.run()


def test_a_trial_whose_process_is_gone_is_queued_again_and_goes_on_in_its_folder(tmp_path: Path) -> None:
    run_until(3 + 3 + 1, tmp_path)  # the base, a trial, and one fold of the next
    left = open_toy(SWEEP, tmp_path).trials[-1]
    assert left.state == TrialState.RUNNING
    said: list[str] = []
    maker = FakeMaker()
    sweep_session(SWEEP, tmp_path, maker, said).run()
    trials = open_toy(SWEEP, tmp_path).trials
    assert trials[left.number].state == TrialState.FAIL
    assert trials[left.number].user_attrs["reason"] == "its process ended in mid-trial"
    (again,) = [trial for trial in trials if trial.user_attrs.get("retry_of") == left.number]
    assert again.state == TrialState.COMPLETE
    assert again.params == left.params
    assert (f"toy-t{left.number:04d}", 0, "search") in maker.made, "the recipe of the first try, and so its folder"
    assert sum(trial.state == TrialState.COMPLETE for trial in trials) == 6
    assert any("finished folds are kept" in line for line in said)
    listed = summary(open_toy(SWEEP, tmp_path), SWEEP)
    for trial in winners(open_toy(SWEEP, tmp_path), SWEEP, 5):
        name = f"toy-t{left.number if trial.number == again.number else trial.number:04d}"
        assert re.search(rf"trial {trial.number}: .*  {name}: ", listed), "a trial is told with its recipe's name"


def test_a_trial_that_dies_twice_is_not_tried_a_third_time(tmp_path: Path) -> None:
    study = open_toy(SWEEP, tmp_path)
    first = study.ask()
    draw(first, SWEEP.space)
    assert requeue(study, study.trials[0], "gone")
    second = study.ask()
    draw(second, SWEEP.space)
    assert second.params == first.params
    assert not requeue(study, study.trials[1], "gone")
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.FAIL]
    assert not requeue(study, study.trials[1], "gone"), "another session may have been quicker"


def test_an_interruption_by_the_user_does_not_count(tmp_path: Path) -> None:
    study = open_toy(SWEEP, tmp_path)
    for number in range(4):
        draw(study.ask(), SWEEP.space)
        assert requeue(study, study.trials[number], "interrupted", counts=False)
    assert study.trials[-1].user_attrs["retry_of"] == 0
    assert len({trial.params["train.lr"] for trial in study.trials[:4]}) == 1


def test_ctrl_c_hands_back_what_runs(tmp_path: Path) -> None:
    class Interrupted(Inline):
        def events(self, timeout: float) -> list[Any]:
            found = super().events(timeout)
            if any("t0001" in name for name in session.search.active):
                raise KeyboardInterrupt
            return found

    session = sweep_session(SWEEP, tmp_path, FakeMaker(), [], backend=Interrupted())
    with pytest.raises(KeyboardInterrupt):
        session.run()
    last = open_toy(SWEEP, tmp_path).trials
    assert [trial.state for trial in last[1:]] == [TrialState.FAIL, TrialState.WAITING]
    sweep_session(SWEEP, tmp_path, FakeMaker(), []).run()
    assert sum(trial.state == TrialState.COMPLETE for trial in open_toy(SWEEP, tmp_path).trials) == 6


def test_killed_twice_by_signal_9_a_sweep_ends_as_it_would_have(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SESSION, str(tmp_path)]
    env = os.environ | {"PYTHONPATH": f"{Path(__file__).parent}:{Path(kit.__file__).parent.parent}"}
    for wanted in ("toy-t0001 1", "toy-t0003 2"):
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(wanted):
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    trials = open_toy(SWEEP, tmp_path).trials
    assert sum(trial.state == TrialState.COMPLETE for trial in trials) == 6
    assert sum(trial.state == TrialState.FAIL for trial in trials) == 2
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert len({json.dumps(trial.params, sort_keys=True) for trial in complete}) == 6, "none twice"


# ------------------------------------------------------------------------------------------------------ owners
def test_a_live_owner_keeps_its_trial_and_a_closed_one_does_not(tmp_path: Path) -> None:
    study, owner = open_toy(SWEEP, tmp_path), Owner(tmp_path)
    owner.claim(study.ask())
    assert Watcher().stale(study.trials) == []
    owner.close()
    assert [trial.number for trial in Watcher().stale(study.trials)] == [0]


def test_after_a_restart_of_the_machine_nothing_is_owned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, owner = open_toy(SWEEP, tmp_path), Owner(tmp_path)
    owner.claim(study.ask())
    monkeypatch.setattr(owners, "boot_id", lambda: "another")
    assert len(Watcher().stale(study.trials)) == 1
    owner.close()


def test_an_owner_elsewhere_is_judged_by_its_counter_on_the_observers_clock(tmp_path: Path) -> None:
    study, now = open_toy(SWEEP, tmp_path), [0.0]
    trial = study.ask()
    trial.set_user_attr("owner", {"host": "elsewhere", "boot": "b", "lock": "/nowhere"})
    watcher = Watcher(lambda: now[0])
    for beat in range(4):
        trial.set_user_attr("beat", beat)
        now[0] += GRACE * 0.9
        assert watcher.stale(study.trials) == []
    now[0] += GRACE * 1.2
    assert len(watcher.stale(study.trials)) == 1


def test_beats_are_written_once_a_minute_by_a_clock_that_nobody_sets(tmp_path: Path) -> None:
    now = [0.0]
    study, owner = open_toy(SWEEP, tmp_path), Owner(tmp_path, lambda: now[0])
    trial = study.ask()
    for seconds in (10.0, 59.0, 61.0, 90.0, 125.0):
        now[0] = seconds
        owner.beat([trial])
    assert study.trials[0].user_attrs["beat"] == 2
    owner.close()


# ----------------------------------------------------------------------------------------- who may open a study
def test_another_space_under_the_same_name_is_refused_with_the_difference(tmp_path: Path) -> None:
    open_toy(SWEEP, tmp_path)
    other = SPACE | {"train.lr": {"low": 1e-4, "high": 1.0, "log": True}}
    with pytest.raises(SweepError, match=r"another sweep of that name \(.*space: train.lr: high: 0.1 -> 1.0\)"):
        open_toy(toy_sweep(space=other), tmp_path)
    with pytest.raises(SweepError, match=r"fidelity: epochs: nothing -> 2.0"):
        open_toy(toy_sweep(fidelity={"epochs": 2}), tmp_path)


def test_a_longer_budget_is_the_same_study(tmp_path: Path) -> None:
    open_toy(SWEEP, tmp_path)
    assert open_toy(toy_sweep(budget={"hours": 99}, seed=5, pruning={"folds": "none"}), tmp_path) is not None


def test_a_study_of_another_version_of_the_kit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_toy(SWEEP, tmp_path)
    monkeypatch.setattr(kit, "__version__", "9.9")
    with pytest.raises(SweepError, match=r"made by kit 0.1.0, and this is 9.9"):
        open_toy(SWEEP, tmp_path)


# ----------------------------------------------------------------------------------------------------- storage
def test_a_line_that_was_only_half_written_is_cut_off(tmp_path: Path) -> None:
    study = open_toy(SWEEP, tmp_path)
    study.tell(study.ask(), 0.5)
    journal = tmp_path / JOURNAL
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 4, "wor')
    again = open_toy(SWEEP, tmp_path)
    assert [trial.value for trial in again.trials] == [0.5]
    again.tell(again.ask(), 0.6)
    assert [trial.value for trial in open_toy(SWEEP, tmp_path).trials] == [0.5, 0.6]


def test_a_lock_of_a_killed_process_holds_nobody_up(tmp_path: Path) -> None:
    open_toy(SWEEP, tmp_path)
    hold = "import sys, time; sys.path.insert(0, sys.argv[1])\n"
    hold += "from pathlib import Path; from kit.sweep.storage import FileLock\n"
    hold += "FileLock(Path(sys.argv[2])).acquire(); print('held', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", hold, str(Path(kit.__file__).parent.parent), str(tmp_path / JOURNAL)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    holder.stdout.close()
    started = time.monotonic()
    open_toy(SWEEP, tmp_path).ask()
    assert time.monotonic() - started < 10


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(SweepError, match="the study cannot be opened"):
        opened(None, tmp_path / "taken" / "in").__enter__()


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("postgresql+nodriver://u:secret@h/d", "cannot be opened"),
        ("nonsense", "cannot be opened"),
        ("sqlite:////nowhere/at/all.db", "does not respond"),
    ],
)
def test_a_storage_that_is_none_is_said_without_its_password(
    url: str, rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "PAUSES", (0, 0, 0))
    with pytest.raises(SweepError, match=rule) as error:
        opened(url, tmp_path).__enter__()
    assert "secret" not in str(error.value)


def test_passwords_are_hidden() -> None:
    assert masked("postgresql://me:secret@host:5432/db") == "postgresql://me:***@host:5432/db"
    assert masked("sqlite:///x.db") == "sqlite:///x.db"


def test_a_storage_that_comes_back_is_waited_for() -> None:
    tries: list[int] = []
    said: list[str] = []

    def call() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("no space left on device")
        return "there"

    assert patiently(call, (0, 0, 0), said.append) == "there"
    assert len(said) == 2
    assert "no space left on device" in said[0]
    with pytest.raises(SweepError, match="Nothing that was finished is lost"):
        patiently(lambda: (_ for _ in ()).throw(OSError("away")), (0,))
    with pytest.raises(ZeroDivisionError):
        patiently(lambda: 1 / 0, (0,))


def test_a_trial_is_told_once_even_if_the_reply_was_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.sweep.storage.PAUSES", (0, 0))
    session = sweep_session(SWEEP, tmp_path, FakeMaker(), [])
    session.search._stored = lambda call: patiently(call, (0, 0))  # type: ignore[method-assign]
    trial: Trial = session.study.ask()
    told = session.study.tell

    def forgetful(*arguments: Any) -> None:
        told(*arguments)
        raise OSError("connection reset")

    calls = iter([forgetful, told])
    monkeypatch.setattr(session.study, "tell", lambda *arguments: next(calls)(*arguments))
    session.search._tell(trial, [0.5], TrialState.COMPLETE)
    session.owner.close()
    assert [one.value for one in open_toy(SWEEP, tmp_path).trials] == [0.5]
    assert BASE.name == "toybase"
