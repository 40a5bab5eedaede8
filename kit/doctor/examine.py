"""All findings, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kit.doctor.features import optional, rehearsal, weights
from kit.doctor.finding import Finding
from kit.doctor.machine import devices, space, versions
from kit.doctor.reach import credentials, network
from kit.echo import asked_for
from kit.workspace import Workspace


def examine(workspace: Workspace, online: bool = True) -> list[Finding]:
    """Looks at everything; takes a few seconds. A part that fails is a finding, not an end.

    online: whether hosts are asked.
    """
    parts: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("versions", versions),
        ("devices", devices),
        ("space", lambda: space(workspace)),
        *([("network", network)] if online else []),
        ("weights", weights),
        ("rehearsal", rehearsal),
        ("features", optional),
        ("features", credentials),
    ]
    return [finding for name, look in parts for finding in _guarded(name, look)]


def _guarded(part: str, look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    found: list[Finding] = []
    try:
        for finding in look():
            found.append(finding)
    except Exception as error:  # what is broken here is what a person wants to read about
        if asked_for("debug"):
            raise
        found.append(Finding(part, "examination", type(error).__name__, f"all of {part}", "kit doctor --debug"))
    return found
