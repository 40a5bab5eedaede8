"""Other people's code in each kind of isolation that this machine allows."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.rehearsal import bubblewrap, isolation, jail, sandbox
from kit.rehearsal.programs import confine

KINDS = ("bubblewrap", "namespaces", "landlock", "hooks")


def isolate(kind: str, patch: pytest.MonkeyPatch, scratch: Path) -> str:
    """From now on this kind, be it not the best here; skipped where this machine does not allow it."""
    there = {
        "bubblewrap": bool(bubblewrap.found()),
        "namespaces": bool(jail.namespaces()),
        "landlock": bool(confine.landlock_version()),
        "hooks": True,
    }
    if not there[kind]:
        pytest.skip(f"no {kind} on this machine")
    patch.setattr(isolation, "best", lambda: kind)
    if kind == "hooks":  # as on a kernel that knows neither Landlock nor filters
        (scratch / "confine.py").write_text("def confine(readable, writable, network):\n    pass\n")
        patch.setattr(sandbox, "WATCHERS", (sandbox.WATCHERS[0], scratch / "confine.py"))
    return kind
