"""A root of its own for a process, by bubblewrap: the sandbox of Flatpak, where it is installed."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from kit.rehearsal.jail import ENVIRONMENT, HOME_MB, TMP_MB, Mount, system_mounts

AS_ROOT_INSIDE = ("--unshare-user", "--uid", "0", "--gid", "0")
"""As in a platform's container."""

APART = (
    *("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"),
    *("--hostname", "platform"),
)


@functools.cache
def found() -> tuple[str, ...]:
    """The command that starts a process apart from this machine; empty where there is none that works."""
    program = shutil.which("bwrap")
    if sys.platform != "linux" or not program:
        return ()
    for user in (AS_ROOT_INSIDE, ()):
        command = (program, *APART, *user)
        probe = [*command, "--ro-bind", "/", "/", *_tmpfs("/tmp", 1), "--proc", "/proc", "--dev", "/dev", "true"]
        if subprocess.run(probe, capture_output=True).returncode == 0:
            return command
    return ()


def _tmpfs(target: str, size_mb: float) -> list[str]:
    return ["--size", str(int(size_mb) << 20), "--tmpfs", target]


def enter_command(place: Path, mounts: Sequence[Mount], shm_mb: float, cwd: str, command: Sequence[str]) -> list[str]:
    """The whole command that runs `command` where the mounts are shown; `place` is an empty folder of the caller's."""
    (place / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    line = [*found(), *_tmpfs("/tmp", TMP_MB), *_tmpfs("/root", HOME_MB), "--proc", "/proc", "--dev", "/dev"]
    line += _tmpfs("/dev/shm", shm_mb)
    for mount in [*system_mounts(), *mounts, Mount(place / "passwd", "/etc/passwd")]:
        line += _show(mount)
    # /proc too: root owns the switches of the kernel in /proc/sys, and writing there takes no capability.
    line += ["--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", cwd]
    for name, value in ENVIRONMENT.items():
        line += ["--setenv", name, value]
    return [*line, "--", *command]


def _show(mount: Mount) -> list[str]:
    """A link to a folder stays a link, as /bin -> usr/bin is."""
    if mount.source.is_symlink() and mount.source.is_dir():
        return ["--symlink", os.readlink(mount.source), mount.target]
    return ["--bind" if mount.writable else "--ro-bind", str(mount.source), mount.target]
