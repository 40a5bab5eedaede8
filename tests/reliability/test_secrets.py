"""Tokens never show: not on the screen, in stack traces, arguments, artefacts or reports."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from conftest import Toy

from kit.artefact import sha256_file, write_json
from kit.cli import group
from kit.options import run_guarded
from kit.rehearsal.result import report_path
from kit.secrets import masked, remember

SECRETS = {
    "CODABENCH_TOKEN": "codabench-0123456789",
    "CODABENCH_PASSWORD": "correct-horse-battery",
    "KAGGLE_KEY": "kaggle-9876543210",
    "HF_TOKEN": "hf_abcdefghijkl",
    "PGPASSWORD": "postgres-pass-77",
}
IN_FILE, IN_URL = "kaggle-file-5555555", "in/address@pass-1"
EVERY = (*SECRETS.values(), IN_FILE, IN_URL)

KAGGLE = """#!/bin/sh
echo "$@" >> {log}
echo "401 - Unauthorized: key $KAGGLE_KEY of $(cat $HOME/.kaggle/kaggle.json)" >&2
exit 1
"""


class Echoing(BaseHTTPRequestHandler):
    """A server that tells in its errors what it was asked with."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""

    def do_GET(self) -> None:
        body = f"trace: {self.headers} {SECRETS['CODABENCH_PASSWORD']}".encode()
        self.send_response(500 if "upload" not in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[str]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Echoing)
    Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with Kaggle's file and a kaggle command that tells all, and every secret in the environment."""
    folder = tmp_path_factory.mktemp("home")
    for name in (".kaggle", "bin", "tmp"):
        (folder / name).mkdir()
    (folder / ".kaggle" / "kaggle.json").write_text(json.dumps({"username": "me", "key": IN_FILE}))
    command = folder / "bin" / "kaggle"
    command.write_text(KAGGLE.format(log=folder / "arguments"))
    command.chmod(0o755)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "tmp"))
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    return folder


def holds_secret(data: bytes) -> list[str]:
    return [secret for secret in EVERY if secret.encode() in data]


def exit_code() -> int:
    """Of the command in sys.argv."""
    try:
        run_guarded(group)
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_a_run_leaves_no_secret_behind(
    trained: Toy, home: Path, server: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("kit.doctor.reach._unreachable", lambda address: "ConnectionError")
    monkeypatch.setattr("kit.platforms.upload.Retry", lambda *a, **k: 0)
    zipped, table = trained.root / "a.zip", trained.root / "a.csv"
    for path in (zipped, table):
        path.write_bytes(b"x")
        write_json(report_path(path), {"sha256": sha256_file(path), "passed": True, "level": "run", "checks": []})
    trained.file("sweeps", "s").parent.mkdir(exist_ok=True)
    trained.file("sweeps", "s").write_text('recipe = "tiny"\n[space]\n"train.lr" = { low = 0.001, high = 0.1 }\n')
    toy = ("--contest", "toy")
    address = server.replace("://", f"://me:{IN_URL}@")
    commands = {
        ("doctor",): (0, 1),
        ("leaderboard", *toy): (0,),
        ("blend", "best2", *toy): (0,),
        ("report", *toy): (0,),
        ("upload", str(zipped), "--phase", "1", "--server", server): (2,),
        ("upload", str(zipped), "--phase", "1", "--server", address): (2, 3),
        ("--debug", "upload", str(zipped), "--phase", "1", "--server", server): (2,),
        ("upload", str(table), "--kaggle", "slug"): (2,),
        ("sweep", "s", *toy, "--storage", f"postgresql+psycopg://me:{IN_URL}@nowhere.invalid:1x/db"): (2,),
    }
    for arguments, codes in commands.items():
        monkeypatch.setattr(sys, "argv", ["kit", *arguments])
        assert exit_code() in codes, (arguments, capfd.readouterr())
    shown = capfd.readouterr()
    assert holds_secret((shown.out + shown.err).encode()) == []
    assert "***" in shown.err
    assert (home / "arguments").read_text().startswith("competitions submissions slug")
    files = [path for folder in (trained.root, home / "tmp") for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [(str(path), found) for path in files if (found := holds_secret(path.read_bytes()))] == []
    assert holds_secret((home / "arguments").read_bytes()) == []


def test_the_stack_trace_of_a_fault_is_masked(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError(f"refused with {SECRETS['HF_TOKEN']} and {remember('from-the-keyring')}")

    monkeypatch.setattr("kit.commands.doctor.examine", fail)
    monkeypatch.setattr(sys, "argv", ["kit", "doctor"])
    with pytest.raises(SystemExit):
        run_guarded(group)
    (trace,) = (home / "tmp").glob("kit-fault-*.txt")
    text = trace.read_text() + capfd.readouterr().err
    assert text.count("refused with *** and ***") == 2
    assert SECRETS["HF_TOKEN"] not in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:pw@host/db", "postgresql://me:***@host/db"),
        ("postgresql+psycopg://me:p@:/w@host:5432/db", "postgresql+psycopg://me:***@host:5432/db"),
        ("https://host/a?X-Amz-Signature=abc&b=1", "https://host/a?X-Amz-Signature=***&b=1"),
        ("https://host/a?password=abc", "https://host/a?password=***"),
        ("see https://host:8080/path and me@host", "see https://host:8080/path and me@host"),
        ("ray://10.0.0.1:10001", "ray://10.0.0.1:10001"),
        ("0.9123 ± 0.01", "0.9123 ± 0.01"),
    ],
)
def test_addresses_lose_their_passwords_and_nothing_else(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_short_values_are_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "1")
    assert masked("fold 1 of 11") == "fold 1 of 11"
