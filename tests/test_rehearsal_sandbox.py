"""The sandbox: what a submission's code can reach, in both kinds of isolation."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from isolated import KINDS, isolate

from kit.errors import DiskError
from kit.rehearsal import sandbox
from kit.rehearsal.jail import Mount
from kit.rehearsal.programs import guard
from kit.rehearsal.sandbox import Interpreter, Job, Outcome, run_isolated
from kit.rehearsal.watch import Limits


@pytest.fixture(params=KINDS)
def isolation(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Each kind that this machine allows."""
    return isolate(request.param, monkeypatch, tmp_path_factory.mktemp("kind"))


def run(folder: Path, code: str, limits: Limits | None = None, python: Interpreter | None = None) -> Outcome:
    """Run `code` as a script that can write to /app/output (folder/output)."""
    for name in ("program", "submission", "output"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "program" / "script.py").write_text(code)
    mounts = (
        Mount(folder / "program", "/app/program"),
        Mount(folder / "submission", sandbox.SUBMISSION),
        Mount(folder / "output", "/app/output", writable=True),
    )
    this = Interpreter(Path(sys.executable), (Path(sys.prefix), Path(sys.base_prefix)), ("kit", "yaml"))
    job = Job("/app/program/script.py", ("/app/output",), mounts, "/app/program")
    return run_isolated(job, python or this, limits or Limits(seconds=30))


def test_a_script_writes_through_its_output(isolation: str, tmp_path: Path) -> None:
    code = "import sys, os, json; json.dump([os.getcwd(), dict(os.environ)], open(sys.argv[1] + '/x.json', 'w'))"
    found = run(tmp_path, code)
    assert (found.returncode, found.killed, found.isolation) == (0, "", isolation), found.stderr
    cwd, environment = json.loads((tmp_path / "output" / "x.json").read_text())
    assert cwd.endswith("program")
    assert set(environment) <= {"PATH", "HOME", "PYTHONUNBUFFERED", "LC_CTYPE", "PWD"}


def test_a_full_disk_is_not_the_submissions_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.shutil, "disk_usage", lambda folder: SimpleNamespace(free=4096))
    with pytest.raises(DiskError, match=r"output: No space left on device .* says nothing about it\. Free space"):
        run(tmp_path, "raise SystemExit(1)")
    assert run(tmp_path, "pass").returncode == 0


@pytest.mark.parametrize(
    ("code", "kinds"),
    [("import ctypes.util; ctypes.util.find_library('dl')", set()), ("import os; os.system('true')", {"process"})],
)
def test_looking_for_a_library_is_no_process_of_the_submission(code: str, kinds: set[str], tmp_path: Path) -> None:
    """It runs ldconfig, and newer versions of torch do it when they are imported."""
    found = run(tmp_path, code)
    assert found.returncode == 0, found.stderr
    assert {event["kind"] for event in found.events} & {"process"} == kinds


@pytest.mark.parametrize(
    ("attempt", "shown"),
    [
        ("import socket; socket.create_connection(('10.0.0.1', 80), 2)", "unreachable"),
        ("import urllib.request; urllib.request.urlopen('http://example.org')", "unreachable"),
        ("open(SECRET).read()", "SECRET_GONE"),
        ("open('/app/program/new', 'w')", "Read-only|denied|No such file"),
        ("import kit", "No module named 'kit'"),
        ("import yaml", "No module named 'yaml'"),
    ],
)
def test_nothing_else_can_be_reached(isolation: str, attempt: str, shown: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("token")
    found = run(tmp_path, f"SECRET = {str(secret)!r}\n{attempt}\nprint('reached')")
    assert "reached" not in found.stdout
    assert found.returncode != 0
    words = "denied|No such file" if shown == "SECRET_GONE" else shown
    assert any(word in found.stderr for word in words.split("|")), found.stderr


def test_limits_end_a_process(isolation: str, tmp_path: Path) -> None:
    assert run(tmp_path, "while True: pass", Limits(seconds=0.5)).killed == "time"
    grows = "x = []\nwhile True: x.append(bytearray(1 << 22))"
    assert run(tmp_path, grows, Limits(seconds=30, memory_mb=300)).killed == "memory"


def test_the_script_has_no_capabilities(isolation: str, tmp_path: Path) -> None:
    found = run(tmp_path, "print(open('/proc/self/status').read())")
    if isolation != "hooks":
        assert "CapEff:\t0000000000000000" in found.stdout
        assert "NoNewPrivs:\t1" in found.stdout


def test_notes_of_a_spoilt_log_are_left_out(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    log.write_text('{"kind": "network", "event": "e", "value": "v", "at": "model.py:1"}\n{"kind"\n[1]\n')
    assert [event["at"] for event in sandbox._events(log)] == ["model.py:1"]


def test_a_python_in_the_temporary_folder_is_found(isolation: str) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as scratch:
        venv.create(Path(scratch) / "venv", symlinks=True)
        executable = Path(scratch) / "venv" / "bin" / "python"
        python = Interpreter(executable, (Path(scratch) / "venv", Path(sys.base_prefix)))
        found = run(Path(scratch), "import sys; print(sys.prefix)", python=python)
        assert (found.returncode, found.stdout.strip()) == (0, f"{scratch}/venv"), found.stderr


def test_a_python_behind_links_is_started(isolation: str) -> None:
    """As on clusters, whose home folders are links, and with pyenv or uv, whose Pythons are chains of links."""
    with tempfile.TemporaryDirectory(dir="/tmp") as scratch:
        real, home = Path(scratch) / "disk" / "home", Path(scratch) / "home"
        venv.create(real / "venv", symlinks=True)
        home.symlink_to(real)
        (real / "shims").mkdir()
        link = real / "venv" / "bin" / "python"
        target = link.resolve()
        (real / "shims" / "python3").symlink_to(target)
        link.unlink()
        link.symlink_to(Path("..") / ".." / "shims" / "python3")
        (real / "private").write_text("nobody's business")
        (Path(scratch) / "alias").symlink_to(home / "venv")
        for name in (home / "venv", Path(scratch) / "alias"):
            python = Interpreter(name / "bin" / "python", (name, Path(sys.base_prefix)))
            place = Path(scratch) / f"run {name.name}"
            place.mkdir()
            found = run(place, "import os, sys; print(sys.prefix, os.path.exists(sys.argv[0]))", python=python)
            assert (found.returncode, found.stdout.split()) == (0, [str(name), "True"]), found.stderr
        seen = [mount.target for mount in python.mounts()]
        assert not any(guard.within(str(real / "private"), [target]) for target in seen)


def test_a_python_named_by_a_relative_path_is_started(isolation: str) -> None:
    """`../venv/bin/python make_submission.py`: also where a link lies before the dots."""
    with tempfile.TemporaryDirectory(dir="/tmp") as scratch:
        disk = Path(scratch) / "disk"
        venv.create(disk / "venv", symlinks=True)
        (disk / "checkout").mkdir()
        (Path(scratch) / "checkout").symlink_to(disk / "checkout")
        for before in (disk / "checkout", Path(scratch) / "checkout"):
            folder = before / ".." / "venv"
            python = Interpreter(folder / "bin" / "python", (folder, Path(sys.base_prefix)))
            place = Path(scratch) / f"run {len(before.parts)}"
            place.mkdir()
            found = run(place, "import sys; print(sys.prefix)", python=python)
            assert (found.returncode, found.stdout.strip()) == (0, str(disk / "venv")), found.stderr



ORPHAN = """
import subprocess
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_rehearsal_sandbox import run
run(Path({folder!r}), "import time; open('/app/output/started', 'w').close(); time.sleep(60)")
"""


def test_what_runs_inside_ends_when_the_rehearsal_is_killed(tmp_path: Path) -> None:
    tests = str(Path(__file__).parent)
    rehearsal = subprocess.Popen([sys.executable, "-c", ORPHAN.format(tests=tests, folder=str(tmp_path))])
    deadline = time.monotonic() + 60
    while not (tmp_path / "output" / "started").exists():
        assert rehearsal.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    inside = psutil.Process(rehearsal.pid).children(recursive=True)
    rehearsal.kill()
    rehearsal.wait()
    _, left = psutil.wait_procs(inside, timeout=10)
    for process in left:
        process.kill()
    assert left == []
