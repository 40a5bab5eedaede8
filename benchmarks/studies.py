"""What a trial costs beside its fits: 1,000 trials whose fits take no time, by four processes on one study.

    python benchmarks/studies.py               a journal file
    python benchmarks/studies.py postgresql    a PostgreSQL server, which it starts (Debian's package; extra `postgres`)

Each trial has three folds of 16 blocks, reported and tested against the best trial. The four processes share the
machine's cores. Says milliseconds a trial, and whether one was lost or run twice.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

PROJECT = Path(__file__).parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests")]

from postgres_server import server  # noqa: E402
from sweep_toy import FakeMaker, open_toy, sweep_session, toy_sweep  # noqa: E402

from kit.sweep.storage import opened  # noqa: E402

TRIALS, WORKERS = 1000, 4
SWEEP = toy_sweep(
    sampler="random", budget={"trials": TRIALS}, confirm={"winners": 0, "noise_seeds": 1}, pruning={"folds": "none"}
)


def work(folder: str, log: str, url: str) -> None:
    """One process's part; every fold that it ran is a line of `log`."""
    maker = FakeMaker()
    with opened(url, Path(folder)) as storage:
        sweep_session(SWEEP, Path(folder), maker, [], storage=storage).run()
    with open(log, "a") as file:
        file.writelines(f"{name} {fold}\n" for name, fold, stage in maker.made if stage == "search")


def main(kind: str) -> None:
    """Runs the four and counts."""
    with tempfile.TemporaryDirectory(prefix="kit-") as scratch, ExitStack() as stack:
        os.chmod(scratch, 0o755)
        url = stack.enter_context(server(Path(scratch) / "server")) if kind == "postgresql" else ""
        study = Path(scratch) / "study"
        with opened(url, study) as storage:
            open_toy(SWEEP, study, storage)
        started = time.perf_counter()
        log = str(Path(scratch) / "log")
        command = [sys.executable, __file__, "work", str(study), log, url]
        env = os.environ | {"PYTHONPATH": str(PROJECT)}
        processes = [subprocess.Popen(command, env=env) for _ in range(WORKERS)]
        assert [process.wait() for process in processes] == [0] * WORKERS
        took = time.perf_counter() - started
        with opened(url, study) as storage:
            trials = open_toy(SWEEP, study, storage).trials
        done = Counter(line for line in Path(log).read_text().splitlines() if "-t" in line)
        states = Counter(trial.state.name for trial in trials)
        twice = sum(count > 1 for count in done.values())
        print(f"{kind}: {len(trials)} trials {dict(states)} in {took:.0f} s, {took / len(trials) * 1e3:.0f} ms a trial")
        print(f"{len(done)} folds of {3 * len(trials)}, {twice} of them run twice")


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        work(*sys.argv[2:])
    else:
        main(sys.argv[1] if len(sys.argv) > 1 else "journal")
