"""How other people's code is held back on this machine, best first, and what to say where that is not much."""

from __future__ import annotations

import functools
import json
import subprocess
import sys

from kit.rehearsal import bubblewrap, jail
from kit.rehearsal.programs import confine

OWN_ROOT = ("bubblewrap", "namespaces")
"""Kinds with a root of their own: what is not shown is not there."""

GET = "install bubblewrap (apt install bubblewrap, dnf install bubblewrap)"
WEAKER = {
    "landlock": "isolation is weaker here: namespaces are refused, so Landlock and a filter of system calls hold the "
    f"submission back; names of files show, and memory is watched, not fenced. Better: {GET}",
    "hooks": "isolation is weak here: the kernel holds nothing back, and hooks in Python refuse what honest code does, "
    f"no more. Rehearse only what you trust, or {GET} on Linux",
}


@functools.cache
def best() -> str:
    """ "bubblewrap", "namespaces", "landlock" or "hooks"."""
    if bubblewrap.found():
        return "bubblewrap"
    if jail.namespaces():
        return "namespaces"
    return "landlock" if _landlock() else "hooks"


def warning() -> str:
    """What a rehearsal says before anything else; empty where the submission has a root of its own."""
    return WEAKER.get(best(), "")


@functools.cache
def filters() -> bool:
    """Whether system calls can be filtered here."""
    return _confined()["filter"]


def _landlock() -> bool:
    found = _confined()
    return found["landlock"] and found["filter"]


@functools.cache
def _confined() -> dict[str, bool]:
    """What holds of a process that confined itself."""
    nothing = {"landlock": False, "filter": False}
    if sys.platform != "linux":
        return nothing
    done = subprocess.run([sys.executable, "-I", "-S", confine.__file__], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else nothing
