"""Four processes on one study at once, one of them killed: nothing is lost, nothing is done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from optuna.trial import TrialState
from postgres_server import server
from sweep_toy import FakeMaker, open_toy, sweep_session, toy_sweep

import kit
from kit.errors import SweepError
from kit.sweep.storage import opened, patiently

pytestmark = pytest.mark.slow
TRIALS, WORKERS = 60, 4
SWEEP = toy_sweep(
    sampler="random",
    budget={"trials": TRIALS},
    confirm={"winners": 0, "noise_seeds": 1},
    pruning={"folds": "none"},
)
SESSION = """
import os, sys, time
from pathlib import Path
from kit.sweep.storage import opened
from sweep_toy import FakeFit, FakeMaker, sweep_session
from test_sweep_workers import SWEEP
import sweep_toy

def logged(self, talk, share, quick=FakeFit.__call__):
    time.sleep(0.02)
    found = quick(self, talk, share)
    with open(sys.argv[2], "a") as file:
        file.write(f"{self.recipe.name} {self.fold} {os.getpid()}\\n")
    return found

sweep_toy.FakeFit.__call__ = logged
folder, url = Path(sys.argv[1]), sys.argv[3] or None
with opened(url, folder) as storage:
    session = sweep_session(SWEEP, folder, FakeMaker(), [], storage=storage)
    print("there", flush=True)
    session.run()
"""
MEET = """
import sys, time
from pathlib import Path
from kit.sweep.storage import opened
time.sleep(max(0, float(sys.argv[2]) - time.time()))
with opened(sys.argv[1], Path()) as storage:
    storage.get_all_studies()
"""


@pytest.fixture(params=["journal", "postgresql"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "journal":
        yield ""
        return
    with tempfile.TemporaryDirectory(prefix="kit-pg-") as folder:
        os.chmod(folder, 0o755)
        with server(Path(folder) / "server") as found:
            yield found


def test_four_workers_at_once_and_one_killed(url: str, tmp_path: Path) -> None:
    """About half a minute each on an idle core."""
    log = tmp_path / "log.txt"
    env = os.environ | {"PYTHONPATH": f"{Path(__file__).parent}:{Path(kit.__file__).parent.parent}"}
    started = []
    for number in range(WORKERS):
        command = [sys.executable, "-c", SESSION, str(tmp_path / f"w{number}" if url else tmp_path), str(log), url]
        started.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True))
        if number == 0:  # makes the study, and measures the base
            assert started[0].stdout is not None
            assert started[0].stdout.readline() == "there\n"
            time.sleep(1)
    victim = started[-1]
    while str(victim.pid) not in (log.read_text() if log.exists() else ""):
        assert victim.poll() is None
        time.sleep(0.05)
    victim.send_signal(signal.SIGKILL)
    codes = [process.wait(timeout=500) for process in started]
    for process in started:
        assert process.stdout is not None
        process.stdout.close()
    assert codes == [0, 0, 0, -signal.SIGKILL]

    with opened(url, tmp_path) as storage:
        trials = open_toy(SWEEP, tmp_path, storage).trials
    states = Counter(trial.state for trial in trials)
    assert states[TrialState.RUNNING] == states[TrialState.WAITING] == 0
    assert TRIALS <= states[TrialState.COMPLETE] < TRIALS + WORKERS, "each may have asked for the last one"
    assert states[TrialState.FAIL] == 1
    assert [trial.number for trial in trials] == list(range(len(trials)))
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert len({trial.params["train.lr"] for trial in complete}) == len(complete)
    done = Counter(line.rpartition(" ")[0] for line in log.read_text().splitlines() if "-t" in line)
    names = {f"toy-t{trial.user_attrs.get('retry_of', trial.number):04d}" for trial in complete}
    assert {name.rpartition(" ")[0] for name in done} == names
    assert sum(count - 1 for count in done.values()) <= 3, "only the killed trial's finished folds are run again here"


def test_machines_that_start_at_the_same_moment_all_find_the_tables() -> None:
    """About ten seconds."""
    with tempfile.TemporaryDirectory(prefix="kit-pg-") as folder:
        os.chmod(folder, 0o755)
        with server(Path(folder) / "server") as url:
            command = [sys.executable, "-c", MEET, url, str(time.time() + 10)]
            env = os.environ | {"PYTHONPATH": str(Path(kit.__file__).parent.parent)}
            started = [subprocess.Popen(command, env=env) for _ in range(WORKERS)]
            assert [process.wait(timeout=120) for process in started] == [0] * WORKERS


def test_a_database_that_goes_away_is_said_and_what_is_done_stays(tmp_path: Path) -> None:
    """About ten seconds."""
    with tempfile.TemporaryDirectory(prefix="kit-pg-") as folder:
        os.chmod(folder, 0o755)
        stack = ExitStack()
        database = stack.enter_context(server(Path(folder) / "server"))
        with opened(database, tmp_path) as storage:
            session = sweep_session(SWEEP, tmp_path, FakeMaker(), [], storage=storage)
            session.search.echo = lambda line: None
            study = session.study
            study.tell(study.ask(), 0.5)
            assert len(study.trials) == 1
            stack.close()
            session.search._stored = lambda call: patiently(call, (0, 0))  # type: ignore[method-assign]
            with pytest.raises(SweepError, match="storage does not respond"):
                session.run()
