"""A PostgreSQL server of one's own on loopback, for as long as a test or a benchmark takes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql")


def program(name: str) -> str:
    """Its path: Debian keeps servers out of PATH, a folder a version."""
    folders = sorted(DEBIAN.glob("*/bin"), key=lambda path: -float(path.parent.name)) if DEBIAN.exists() else []
    found = next((str(folder / name) for folder in folders if (folder / name).exists()), None) or shutil.which(name)
    assert found, f"{name} is not installed: apt-get install postgresql"
    return found


def _as_postgres(command: list[str]) -> list[str]:
    """A server refuses to run as root."""
    step_down = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    return [*step_down, *command] if os.getuid() == 0 else command


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The URL of an empty database; `folder` must be one that the user `postgres` may enter."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"
    run = {"check": True, "capture_output": True, "cwd": "/"}
    initdb = [program("initdb"), "-D", str(data), "-U", "kit", "--auth=trust", "--no-sync"]
    subprocess.run(_as_postgres(initdb), **run)  # type: ignore[call-overload]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    control = [program("pg_ctl"), "-D", str(data), "-l", str(folder / "log"), "-w"]
    subprocess.run(_as_postgres([*control, "-o", options, "start"]), stdout=subprocess.DEVNULL, check=True, cwd="/")
    try:
        yield f"postgresql+psycopg://kit@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run(_as_postgres([*control, "-m", "immediate", "stop"]), **run)  # type: ignore[call-overload]
