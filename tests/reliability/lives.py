"""Commands of the kit in processes that are killed: each a fork of one process that has imported everything already.

Started as a script it is that process. It reads JSON objects, one a line: for a job it writes the process id of the
fork, and for {"wait": process id} the wait status of that one when it has ended.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent
MARK = "KIT_RELIABILITY"
"""An environment variable by which the processes of one store are found again."""
PATIENCE = 300.0
KILLED = -int(signal.SIGKILL)
UNDISTURBED = {"at": 0, "what": "kill", "twice": False, "plain": False}


@dataclass(frozen=True)
class Life:
    """How a process ended."""

    code: int
    """Its exit code; a negative signal number where that ended it."""
    output: str
    points: list[str]
    """The write points that it passed; empty for one that was killed."""
    seconds: float

    @property
    def killed(self) -> bool:
        return self.code == KILLED


@dataclass
class Lives:
    """The process that forks, and the commands that are given to it."""

    process: subprocess.Popen[str]
    scratch: Path

    def live(
        self,
        root: Path,
        *argv: str,
        at: int = 0,
        what: str = "kill",
        twice: bool = False,
        after: float | None = None,
        signals: Sequence[int] = (signal.SIGKILL,),
        plain: bool = False,
    ) -> Life:
        """Runs a command in `root`, where `write_points` strikes; or is sent `signals` `after` so many seconds.

        plain: permissions hold for it, whoever it is.
        """
        started = time.monotonic()
        pid = self._start(root, argv, self.scratch, at=at, what=what, twice=twice, plain=plain)
        if after is not None:
            time.sleep(after)
            for one in signals:
                _send(pid, one)
                time.sleep(0.2)
        return self._end(pid, self.scratch, started)

    def at_once(self, root: Path, *commands: Sequence[str]) -> list[Life]:
        """Commands in `root` that nothing disturbs, all of them started before the end of one is waited for."""
        started, places = time.monotonic(), [self.scratch / f"at-once-{number}" for number in range(len(commands))]
        for place in places:
            place.mkdir(exist_ok=True)
        pids = [self._start(root, argv, place) for argv, place in zip(commands, places)]
        return [self._end(pid, place, started) for pid, place in zip(pids, places)]

    def _start(self, root: Path, argv: Sequence[str], scratch: Path, **strikes: object) -> int:
        """The process of a command, which leaves what it said in `scratch`."""
        job = {"root": str(root), "argv": argv, "scratch": str(scratch)} | UNDISTURBED | strikes
        return self._asked(job)

    def _end(self, pid: int, scratch: Path, started: float) -> Life:
        """Waits for a process."""
        status = self._asked({"wait": pid})
        points = scratch / "points.json"
        seen = json.loads(points.read_text()) if points.exists() else []
        output = (scratch / "output.txt").read_text(errors="replace")
        return Life(os.waitstatus_to_exitcode(status), output, seen, time.monotonic() - started)

    def _asked(self, job: dict[str, Any]) -> int:
        assert self.process.stdin is not None
        print(json.dumps(job), file=self.process.stdin, flush=True)
        return int(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the process that forks is gone"
        return line


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


@contextmanager
def lives(scratch: Path) -> Iterator[Lives]:
    """The process that forks; its temporary files lie in `scratch`."""
    (scratch / "tmp").mkdir(parents=True, exist_ok=True)
    paths = os.pathsep.join([str(TESTS.parent), str(TESTS), os.environ.get("PYTHONPATH", "")])
    more = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TMPDIR": str(scratch / "tmp")}
    more["TORCHINDUCTOR_CACHE_DIR"] = str(scratch / "inductor")  # torch makes it when it is imported
    environment = os.environ | more | {"PYTHONPATH": paths, MARK: str(scratch)}
    command = [sys.executable, str(Path(__file__).resolve())]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=scratch
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Lives(process, scratch)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(PATIENCE)
        assert process.stdout is not None
        process.stdout.close()


def processes_of(scratch: Path, but: int) -> list[str]:
    """Command lines of living processes that belong to the store's commands, `but` the one that forks."""
    mark, place, found = f"{MARK}={scratch}".encode(), str(scratch).encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            ours = mark in (folder / "environ").read_bytes() or place in command
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            if ours and int(folder.name) != but and state != "Z":
                found.append(command.replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


# --------------------------------------------------------------------------------------------------- as a script
def serve() -> None:
    """Forks for every job."""
    import matplotlib.pyplot  # noqa: F401
    import sklearn.decomposition
    import sklearn.linear_model
    import sklearn.metrics
    import sklearn.model_selection  # noqa: F401
    import torch
    import torch._dynamo

    import kit.cluster.training
    import kit.commands.ensembles
    import kit.commands.submissions
    import kit.commands.training
    import kit.pipeline.planned
    import kit.pipeline.stages.blending
    import kit.pipeline.stages.conclusion
    import kit.pipeline.stages.data
    import kit.pipeline.stages.packing
    import kit.pipeline.stages.recipes
    import kit.pipeline.stages.rehearsal
    import kit.pipeline.stages.training
    import kit.report.page
    import kit.situation.probe
    import kit.situation.recipes  # noqa: F401
    import make_submission  # noqa: F401

    with suppress(ImportError):
        import captum.attr  # noqa: F401

    torch.set_num_threads(1)
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        if "wait" in job:
            print(os.waitpid(job["wait"], 0)[1], flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            _exit_as(job)
        print(pid, flush=True)


def _exit_as(job: dict[str, Any]) -> None:
    """Runs the command, and leaves with its exit code."""
    from write_points import WritePoints

    points = WritePoints(job["root"], job["at"], job["what"], job["twice"])
    scratch, code = Path(job["scratch"]), 0
    (scratch / "points.json").unlink(missing_ok=True)
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started this in the background may ignore it
    os.chdir(job["root"])
    sys.stdin = open(os.devnull)  # noqa: SIM115
    output = os.open(scratch / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    random.seed()
    if job["plain"]:
        _without_privileges()
    points.install()
    try:
        _run(job["argv"])
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 99
    sys.stdout.flush()
    sys.stderr.flush()
    points.at = 0
    (scratch / "points.json").write_text(json.dumps(points.seen))
    os._exit(code)


def _without_privileges() -> None:
    """Gives up all capabilities: root, too, then writes only where it may."""
    import ctypes

    version_3, no_capabilities = 0x20080522, (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(version_3, 0), no_capabilities) == 0


def _run(argv: list[str]) -> None:
    import kit.rehearsal.calls

    kit.rehearsal.calls.MANY = 300
    sys.argv = list(argv)
    if argv[0] == "make_submission.py":
        import make_submission
        from kit.options import run_guarded, with_common

        run_guarded(with_common(make_submission.main))
    else:
        from kit.cli import main

        main()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    serve()
