"""Whether a zip needs another rehearsal: not where the same bytes passed one under the same conditions."""

from __future__ import annotations

import platform as machine
from importlib import metadata
from pathlib import Path
from typing import Any

from kit.artefact import as_json, read_json, sha256_sources
from kit.config import ContestConfig, PlatformConfig
from kit.errors import ArtefactError
from kit.rehearsal.checks import Check
from kit.rehearsal.interpreter import missing_packages
from kit.rehearsal.result import Rehearsal, report_path

UNWATCHED = {"title", "rehearsal_rows"}
"""Of a platform's file: what no check depends on, and what a rehearsal of more rows holds too."""


def level_of(platform: PlatformConfig, level: str | None = None) -> str:
    """`level`, or where it is None: "run" where this Python has the platform's packages, else "platform"."""
    return level or ("platform" if missing_packages(platform) else "run")


def conditions(platform: PlatformConfig, contest: ContestConfig, level: str, many_seconds: float) -> dict[str, Any]:
    """What a rehearsal depends on beside the zip, as plain values; "rows" and "many_seconds" say how much was tried."""
    versions = {"python": machine.python_version()} | {
        name: metadata.version(name) for name in sorted({*platform.packages, "numpy"}) if level == "run"
    }
    under = {
        "code": sha256_sources(Path(__file__).parent),
        "level": level,
        "platform": platform.model_dump(mode="json", exclude=UNWATCHED),
        "metric": contest.metric,
        "versions": versions,
        "rows": platform.rehearsal_rows,
        "many_seconds": many_seconds,
    }
    return dict(as_json(under))


def passed_before(
    zip_path: Path, sha256: str, platform: PlatformConfig, contest: ContestConfig, many_seconds: float
) -> Rehearsal | None:
    """The rehearsal that the zip with that digest passed, at least as thorough as one now; None where there is none."""
    known = read_report(zip_path)
    if known is None or not known.passed or known.sha256 != sha256:
        return None
    if known.level not in (level_of(platform), "platform"):
        return None
    now, then = conditions(platform, contest, known.level, many_seconds), dict(known.under)
    enough = all(then.pop(key, 0) >= now.pop(key) for key in ("rows", "many_seconds"))
    return known if enough and then == now else None


def read_report(zip_path: Path) -> Rehearsal | None:
    """The report beside a zip; None where it is missing, broken or of an earlier version."""
    try:
        values = read_json(report_path(zip_path))
        kept = {key: values[key] for key in ("sha256", "platform", "level", "isolation", "hidden", "forms", "under")}
        return Rehearsal(zip=zip_path, checks=tuple(Check(**one) for one in values["checks"]), **kept)
    except (ArtefactError, KeyError, TypeError):
        return None
