"""Start a command within limits that the kernel keeps: `python launch.py SETTINGS.json COMMAND ...`.

SETTINGS holds "limits" (name of an RLIMIT -> value), "cgroup" (a folder to move to, or ""), "parent" (the id of the
process that starts this one) and "usage": where {"peak_mb": most resident memory of one process, as the kernel counted
it} is written when the command has ended. What it started ends with it, also what left its session; and all of it ends
with the process that started it, however that ended.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType

DIES_WITH_PARENT, ADOPTS_ORPHANS = 1, 36
ROUNDS = 200
"""Times that children are looked for: what is ended may have started more."""


def control(option: int, value: int) -> None:
    """prctl, where there is one."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def limit(limits: dict[str, int]) -> None:
    """Set both limits of each kind, never above those that hold already."""
    import resource

    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is not None:
            most = resource.getrlimit(kind)[1]
            bound = value if most == resource.RLIM_INFINITY else min(value, most)
            try:
                resource.setrlimit(kind, (bound, bound))
            except (ValueError, OSError):  # a system that knows the name alone
                continue


def join(cgroup: str) -> None:
    """Move to a control group; where that is refused the other bounds hold."""
    if cgroup:
        try:
            with open(os.path.join(cgroup, "cgroup.procs"), "w") as file:
                file.write("0")
        except OSError as error:
            sys.stderr.write(f"{cgroup}: {error}\n")


def children() -> Iterator[int]:
    """Processes whose parent this one is, orphans that it adopted among them."""
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == os.getpid():
                yield int(name)


def end_orphans() -> None:
    """End whatever the command left running."""
    for _ in range(ROUNDS):
        left = list(children())
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except OSError:
                continue


def told(number: int, frame: FrameType | None) -> None:
    """Ends all that the command started, then this process."""
    signal.signal(number, signal.SIG_IGN)
    end_orphans()
    os._exit(128 + number)


def end_with(parent: int) -> None:
    """SIGTERM, from the kernel too when `parent` is gone, ends all; not SIGKILL, which would leave the orphans."""
    signal.signal(signal.SIGTERM, told)
    control(DIES_WITH_PARENT, signal.SIGTERM)
    if sys.platform.startswith("linux") and os.getppid() != parent:  # it was gone before the kernel was asked
        told(signal.SIGTERM, None)


def main(settings_path: str, command: list[str]) -> int:
    """Run the command; its exit code, 128 + n after signal n."""
    with open(settings_path, encoding="utf-8") as file:
        settings = json.load(file)
    control(ADOPTS_ORPHANS, 1)
    end_with(settings["parent"])
    join(settings["cgroup"])
    pid = os.fork()
    if not pid:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            control(DIES_WITH_PARENT, signal.SIGKILL)
            limit(settings["limits"])
            os.execvp(command[0], command)
        except OSError as error:
            sys.stderr.write(f"{command[0]}: {error}\n")
        finally:
            os._exit(127)
    _, status, usage = os.wait4(pid, 0)
    peak = usage.ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10))
    with open(settings["usage"], "w", encoding="utf-8") as file:
        json.dump({"peak_mb": peak}, file)
    end_orphans()
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
