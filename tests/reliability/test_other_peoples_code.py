"""Probes that try what a hostile zip would, in every kind of isolation: `docs/reliability.md` has what stops each."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from isolated import KINDS, isolate
from probes import AFTER, BOUNDS, PRELUDE, PROBES

from kit.config import load_platform
from kit.errors import RehearsalError
from kit.packaging.notebook import ABOUT
from kit.rehearsal import bubblewrap, cgroup, isolation, jail, sandbox
from kit.rehearsal.checks import Surroundings
from kit.rehearsal.codabench import run_hidden
from kit.rehearsal.interpreter import this_python
from kit.rehearsal.jail import Mount
from kit.rehearsal.manifest import read_manifest
from kit.rehearsal.notebook import try_notebook
from kit.rehearsal.predicted import Predictions, read_results
from kit.rehearsal.programs import confine
from kit.rehearsal.sandbox import Interpreter, Job, Outcome, run_isolated
from kit.rehearsal.watch import Limits

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have hooks alone")
PYTHON = Interpreter(Path(sys.executable), (Path(sys.prefix), Path(sys.base_prefix)))


@pytest.fixture(params=KINDS, scope="module")
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (jail, bubblewrap):
            patch.setattr(module, "TMP_MB", 16)
        yield isolate(request.param, patch, tmp_path_factory.mktemp("kind"))


@dataclass(frozen=True)
class Neighbourhood:
    """What lies outside, for probes to reach for."""

    folder: Path
    host: int
    port: int

    def names(self) -> str:
        """Python that tells a probe where it lies."""
        values = {
            "SECRET": str(self.folder / "secret"),
            "OUTSIDE": str(self.folder),
            "PLUG": str(self.folder / "plug"),
            "HOST": self.host,
            "PORT": self.port,
        }
        return "".join(f"{name} = {value!r}\n" for name, value in values.items()) + "OUTPUT = sys.argv[1]\n"


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbourhood]:
    """A file, a process with a token in its environment, and services that listen."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "secret").write_text("token")
    sleeper = subprocess.Popen(["sleep", "600"], env={"PATH": os.environ["PATH"], "TOKEN": "probed-token"})
    services = [socket.socket(), socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)]
    addresses = [("127.0.0.1", 0), str(folder / "plug"), "\0plug"]
    for service, address in zip(services, addresses):
        service.bind(address)
        service.listen()
    yield Neighbourhood(folder, sleeper.pid, services[0].getsockname()[1])
    for service in services:
        service.close()
    sleeper.kill()
    sleeper.wait()


def run(folder: Path, code: str, limits: Limits | None = None) -> Outcome:
    """Run `code` as a submission's module; it can write to its first argument (folder/output)."""
    for name in ("program", "submission", "output"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "submission" / "model.py").write_text(code)
    (folder / "program" / "script.py").write_text("import sys, runpy\nrunpy.run_path(sys.argv[2] + '/model.py')")
    mounts = (
        Mount(folder / "program", "/app/program"),
        Mount(folder / "submission", sandbox.SUBMISSION),
        Mount(folder / "output", "/app/output", writable=True),
    )
    arguments = ("/app/output", sandbox.SUBMISSION)
    return run_isolated(Job("/app/program/script.py", arguments, mounts, "/app/program"), PYTHON, limits or Limits(30))


NUMBERED = ("call(", "libc.syscall(")
"""Probes by number are x86_64's."""


@pytest.mark.parametrize("name", PROBES)
def test_what_a_hostile_zip_reaches_for(kind: str, name: str, outside: Neighbourhood, tmp_path: Path) -> None:
    probe = PROBES[name]
    if any(word in probe.code for word in NUMBERED) and platform.machine() != "x86_64":
        pytest.skip("numbers of x86_64")
    if kind not in probe.stopped:
        pytest.skip(f"not promised in {kind}: see docs/reliability.md")
    limits = Limits(seconds=20, memory_mb=1500, shm_mb=16, disk_mb=64)
    found = run(tmp_path, PRELUDE + outside.names() + probe.code + AFTER, limits)
    assert found.isolation == kind
    assert "REACHED" not in found.stdout
    assert found.returncode == 1, found.stderr
    assert not (outside.folder / "new").exists()
    assert (outside.folder / "secret").read_text() == "token"


@pytest.mark.parametrize("name", BOUNDS)
def test_more_than_a_bound(kind: str, name: str, tmp_path: Path) -> None:
    code, bound, limits = BOUNDS[name]
    start = time.perf_counter()
    found = run(tmp_path, PRELUDE + "OUTPUT = sys.argv[1]\n" + code, Limits(**({"seconds": 20} | limits)))
    assert found.killed == bound, found
    assert time.perf_counter() - start < 15


def test_what_left_its_session_ends_with_the_run(kind: str, tmp_path: Path) -> None:
    mark = f"orphan-{os.getpid()}"
    again = f"os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(60)', {mark!r}])"
    code = f"{PRELUDE}if not os.fork():\n    os.setsid()\n    if os.fork(): os._exit(0)\n    {again}\ntime.sleep(0.5)"
    assert run(tmp_path, code).returncode == 0
    assert [p.pid for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])] == []


KILLED = """
import sys
from pathlib import Path
import pytest
sys.path[:0] = sys.argv[4:]
from isolated import isolate
from test_other_peoples_code import run
with pytest.MonkeyPatch.context() as patch:
    isolate(sys.argv[1], patch, Path(sys.argv[2]) / "kind")
    run(Path(sys.argv[2]), sys.argv[3])
"""


def test_what_is_rehearsed_ends_with_a_rehearsal_that_was_killed(kind: str, tmp_path: Path) -> None:
    """Also what left its session, with namespaces and without."""
    (tmp_path / "kind").mkdir()
    mark = f"orphan-of-killed-{kind}-{os.getpid()}"
    again = f"os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(60)', {mark!r}])"
    code = f"{PRELUDE}if not os.fork():\n    os.setsid()\n    if os.fork(): os._exit(0)\n    {again}\ntime.sleep(60)"
    tests = Path(__file__).parent
    command = [sys.executable, "-c", KILLED, kind, str(tmp_path), code, str(tests), str(tests.parent)]
    with subprocess.Popen(command, env=os.environ | {"TMPDIR": str(tmp_path)}) as rehearsal:
        assert eventually(lambda: mark in arguments(), 30), "it never started"
        rehearsal.kill()
    assert eventually(lambda: mark not in arguments(), 5)
    assert eventually(lambda: not any(str(tmp_path) in one for one in arguments()), 5)


def arguments() -> set[str]:
    """Of all processes that live."""
    living = [p.info for p in psutil.process_iter(["cmdline", "status"]) if p.info["status"] != psutil.STATUS_ZOMBIE]
    return {argument for one in living for argument in one["cmdline"] or []}


def eventually(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether it comes to hold within that time."""
    ends = time.monotonic() + seconds
    while not holds() and time.monotonic() < ends:
        time.sleep(0.1)
    return holds()


LEFT = """
import json, os, sys
import numpy as np
out = sys.argv[1]
os.chdir(out)
os.mkfifo('results.json') if os.path.exists('/') else None
np.save('pickled.npy', np.array([{}], dtype=object))
header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000,), }"
with open('promised.npy', 'wb') as file:
    file.write(b'\\x93NUMPY\\x01\\x00' + len(header).to_bytes(2, 'little') + header)
np.save('good.npy', np.arange(3))
os.chmod('good.npy', 0)
deep = 'deep'
for _ in range(300):
    os.mkdir(deep)
    os.chdir(deep)
"""


def test_what_is_left_behind_is_safe_to_open(kind: str, tmp_path: Path) -> None:
    (tmp_path / "private.npy").write_bytes(b"")
    found = run(tmp_path, LEFT)
    assert found.returncode == 0, found.stderr
    output = tmp_path / "output"
    (output / "link.npy").unlink(missing_ok=True)
    predicted = Predictions(read_results(output), output, Surroundings([], "Model", ()))
    assert predicted.results == {}
    assert predicted.raw("pickled") is None
    assert predicted.raw("promised") is None
    good = predicted.raw("good")
    assert good is not None
    assert good.tolist() == [0, 1, 2]
    assert max(len(path.parts) for path in output.rglob("*")) < len(output.parts) + 60


def test_links_and_second_names_are_taken_away(tmp_path: Path) -> None:
    from kit.rehearsal.leftovers import settle, size_of

    secret, output = tmp_path / "secret.npy", tmp_path / "output"
    output.mkdir()
    np.save(secret, np.arange(4))
    (output / "link.npy").symlink_to(secret)
    (output / "folder").symlink_to(tmp_path)
    os.link(secret, output / "second.npy")
    (output / "kept.npy").write_bytes(secret.read_bytes())
    assert size_of([output]) >= secret.stat().st_size
    settle([output])
    assert [path.name for path in output.iterdir()] == ["kept.npy"]
    assert secret.stat().st_nlink == 1
    assert np.load(secret).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("text", ["[" * 200_000, "{", "[1]", '"x"', '{"load": []}', "\0"])
def test_results_that_are_no_results(text: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(text)
    assert read_results(tmp_path) == {}


def test_where_namespaces_are_refused_the_rehearsal_knows_and_says_so() -> None:
    """A process that refuses itself what a locked-down container refuses."""
    code = (
        "from kit.rehearsal.programs import confine\nconfine.drop_privileges()\nconfine.filter_calls(True)\n"
        "from kit.rehearsal import isolation\nprint(isolation.best(), '-', isolation.warning())"
    )
    if not confine.program(True):
        pytest.skip("no filter on this machine")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kind, _, said = done.stdout.strip().partition(" - ")
    assert kind == ("landlock" if confine.landlock_version() else "hooks")
    assert said == isolation.WEAKER[kind]


CHEAT = """
import json, os
import numpy as np
class Model:
    def predict(self, X):
        for folder in ('/app/output', '../output', 'output', '.'):
            try:
                open(os.path.join(folder, 'scores.json'), 'w').write(json.dumps({'accuracy': 1.0}))
            except OSError:
                pass
        return np.zeros(len(X), int)
"""


def test_scores_of_its_own_making_do_not_count(kind: str, tmp_path: Path) -> None:
    (tmp_path / "submission").mkdir()
    (tmp_path / "submission" / "model.py").write_text(CHEAT)
    (tmp_path / "p.toml").write_text('[packages]\nnumpy = ""\n')
    platform_config = load_platform(tmp_path / "p.toml")
    labels = np.array([0, 1, 1, 2, 0, 1, 2, 2])
    images = np.zeros((8, 4, 4, 3), dtype=np.uint8)
    python = this_python(platform_config)
    scored = run_hidden(tmp_path / "submission", images, labels, platform_config, python, tmp_path / "run")
    assert scored.scores.get("accuracy") == 0.25, (scored.prediction.stderr, scored.scoring.stderr)


MANIFEST: dict[str, Any] = {
    "recipes": ["tiny"],
    "members": [{"recipe": "tiny", "fold": 0, "views": ["identity"]}],
    "digests": {"data": "x"},
}


@pytest.mark.parametrize(
    "changes",
    [
        {"recipes": ["../../other"]}, {"recipes": ["/etc"]}, {"recipes": []}, {"members": [{"recipe": "../x"}]},
        {"members": [{"recipe": "tiny", "fold": "0", "views": []}]}, {"members": "x"}, {"members": [1]},
        {"digests": [1]}, {"images": {"arrays": True, "range": ["a", 1]}}, {"expected": {"point": "high"}},
    ],
)  # fmt: skip
def test_manifests_that_name_other_files_or_are_none(changes: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(MANIFEST))
    assert read_manifest(path) == MANIFEST
    path.write_text(json.dumps(MANIFEST | changes))
    with pytest.raises(RehearsalError, match="kit package"):
        read_manifest(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset_sources": ["me/../../../../tmp/new"]}, {"competition_sources": [".."]}, {"code_file": "../x.ipynb"},
        {"code_file": "/x.ipynb"}, {"code_file": 1}, {"dataset_sources": []}, {"dataset_sources": [None]},
    ],
)  # fmt: skip
def test_kaggle_metadata_that_names_other_files(changes: dict[str, Any], tmp_path: Path) -> None:
    about = {"dataset_sources": ["me/nets"], "competition_sources": ["contest"], "code_file": "run.ipynb"} | changes
    (tmp_path / ABOUT).write_text(json.dumps(about))
    (tmp_path / "x.ipynb").write_text('{"cells": []}')
    nothing: Any = None
    checks = try_notebook(tmp_path, nothing, ("a", "b"), "accuracy", nothing, PYTHON, tmp_path / "scratch")
    assert [(check.name, check.passed) for check in checks] == [("notebook: metadata", False)]
    assert not (tmp_path / "scratch").exists()


def test_a_control_group_is_bounded_and_tells_what_was_used(tmp_path: Path) -> None:
    """Against files as the kernel's; most test machines delegate none."""
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (tmp_path / "cgroup.procs").write_text("")
    group = cgroup._make(tmp_path, 300, 64)
    assert group is not None
    assert (group.folder / "memory.max").read_text() == str(300 << 20)
    assert (group.folder / "pids.max").read_text() == "64"
    assert not group.out_of_memory()
    (group.folder / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\n")
    (group.folder / "memory.peak").write_text(str(310 << 20))
    assert group.out_of_memory()
    assert group.peak_mb() == 310
    (tmp_path / "cgroup.subtree_control").write_text("cpu\n")
    assert cgroup._make(tmp_path, 300, 64) is None
    with cgroup.bounded(300, 64, root=tmp_path / "none") as nothing:
        assert nothing is None
