"""A root of its own for a process, in Linux namespaces: system libraries, a Python, the given folders."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")
DEVICES = ("null", "zero", "full", "random", "urandom")
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/root", "PYTHONUNBUFFERED": "1"}
"""What a platform's container has."""

TMP_MB, HOME_MB = 1024, 64
"""Room in /tmp and /root, which lie in memory."""

UNPRIVILEGED = "setpriv --no-new-privs --inh-caps=-all --bounding-set=-all"
"""Without capabilities nothing can be mounted again, and no root left."""


@dataclass(frozen=True)
class Mount:
    """A folder or file of this machine at the place where the process sees it."""

    source: Path
    target: str
    writable: bool = False


@functools.cache
def namespaces() -> tuple[str, ...]:
    """The command that starts a process in namespaces of its own; empty where the system refuses."""
    if sys.platform != "linux" or not (shutil.which("unshare") and shutil.which("setpriv")):
        return ()
    # What runs in there ends with this process, also where that is killed.
    base = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork"]
    base.append("--kill-child")
    for command in (base, [*base, "--map-root-user"]):
        probe = [*command, "sh", "-c", "mount --make-rprivate / && mount -t tmpfs none /tmp"]
        if subprocess.run(probe, capture_output=True).returncode == 0:
            return tuple(command)
    return ()


def system_mounts() -> list[Mount]:
    """Libraries and programs of this machine, and what tells its cores."""
    return [Mount(Path(path), path) for path in (*SYSTEM, "/sys/devices/system/cpu") if Path(path).exists()]


def enter_script(root: Path, mounts: Sequence[Mount], shm_mb: float, cwd: str, command: Sequence[str]) -> str:
    """Shell commands that build the new root in the empty folder `root`, go there and run `command`."""
    # A plain user's PATH lacks the folder of chroot.
    lines = ["set -e", "export PATH=$PATH:/usr/sbin:/sbin", "mount --make-rprivate /", _tmpfs(root, 16)]
    # Before the folders: a virtual environment may itself lie under /tmp.
    lines += [f"mkdir -p {root}/tmp {root}/root {root}/proc {root}/etc"]
    lines += [_tmpfs(f"{root}/tmp", TMP_MB), _tmpfs(f"{root}/root", HOME_MB)]
    for mount in [*system_mounts(), *mounts]:
        lines += _bind(mount, root)
    lines += [f"mkdir -p {root}/dev/shm"]
    for device in DEVICES:
        lines += [f"touch {root}/dev/{device}", f"mount --bind /dev/{device} {root}/dev/{device}"]
    lines += [_tmpfs(f"{root}/dev/shm", shm_mb)]
    # Read-only: root owns the switches of the kernel in /proc/sys, and writing there takes no capability.
    lines += [f"mount -t proc -o ro none {root}/proc || true"]
    # bind: the mount alone; for a plain user the file system's own options name a user that is unknown in here.
    lines += [f"echo 'root:x:0:0::/root:/bin/sh' > {root}/etc/passwd", f"mount -o remount,bind,ro {root}"]
    settings = " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())
    # Not exec: the first process of a namespace ignores the signals that it sends itself.
    entered = f"cd {shlex.quote(cwd)} && {UNPRIVILEGED} env -i {settings} {shlex.join(command)}; exit $?"
    return "\n".join([*lines, f"exec chroot {root} /bin/sh -c {shlex.quote(entered)}"]) + "\n"


def _tmpfs(path: Path | str, size_mb: float) -> str:
    return f"mount -t tmpfs -o size={int(size_mb)}m,mode=755 none {path}"


def _bind(mount: Mount, root: Path) -> list[str]:
    """Commands that show a mount inside `root`; a link to a folder stays a link, as /bin -> usr/bin is."""
    source, place = shlex.quote(str(mount.source)), shlex.quote(f"{root}{mount.target}")
    parent = shlex.quote(os.path.dirname(f"{root}{mount.target}"))
    if mount.source.is_symlink() and mount.source.is_dir():
        return [f"mkdir -p {parent}", f"ln -sn {shlex.quote(os.readlink(mount.source))} {place}"]
    make = f"mkdir -p {place}" if mount.source.is_dir() else f"mkdir -p {parent} && touch {place}"
    lines = [make, f"mount --bind {source} {place}"]
    return lines if mount.writable else [*lines, f"mount -o remount,ro,bind {place}"]
