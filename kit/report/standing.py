"""The page about a zip, drawn where it does not stand yet: not twice from the same files by the same code."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kit.artefact import sha256_file, sha256_sources
from kit.config import ContestConfig
from kit.made_from import MadeFrom
from kit.platforms import ledger
from kit.rehearsal.result import report_path
from kit.report.zips import newest_first
from kit.workspace import PROJECT, Workspace

LARGE = 1 << 20
"""Bytes from which a file counts as unchanged by its size and its time, not by its content."""


def page_about(contest: ContestConfig, workspace: Workspace, zip_path: Path) -> Path:
    """Where the page about the zip lies, drawn anew where anything that it shows has changed."""
    target = workspace.submissions / f"{zip_path.stem}.html"
    made = MadeFrom.of(target, workspace.cache, _shown(contest, workspace, zip_path))
    if not made.stands():
        from kit.report.page import write_report  # matplotlib

        write_report(contest, workspace, zip_path)
        made.keep()
    return target


def _shown(contest: ContestConfig, workspace: Workspace, zip_path: Path) -> list[Any]:
    """All that the page is drawn from, and the code that draws it, as JSON values."""
    folder, table = workspace.oof(contest.name), ledger.read(workspace)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    digest = sha256_file(zip_path)  # it was written again, to the same bytes or to others
    scored = table[(table["event"] == "scored") & (table["sha256"] == digest)]
    return [
        contest.model_dump(mode="json"),
        [[str(path.relative_to(folder)), _content(path)] for path in files],
        [path.name for path in newest_first(folder / "blends", "*.json")],
        [digest, *(_content(path) for path in [report_path(zip_path)] if path.is_file())],
        scored.to_json(orient="records"),
        sorted(path.name for path in (workspace.cache / "data").glob("*")),
        find_spec("captum") is not None,
        sha256_sources(PROJECT / "kit"),
    ]


def _content(path: Path) -> str:
    found = path.stat()
    return sha256_file(path) if found.st_size < LARGE else f"{found.st_size} {found.st_mtime_ns}"
