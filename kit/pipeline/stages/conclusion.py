"""At the end: what a contestant wants to know, on the terminal and as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console

from kit.config import ContestConfig
from kit.ensemble.blend import Blend
from kit.ensemble.tables import scenario_lines, scenario_rows
from kit.options import make_echo
from kit.packaging.packed import PackedZip
from kit.rehearsal.result import Rehearsal
from kit.report.standing import page_about
from kit.workspace import Workspace


def conclude(
    contest: ContestConfig,
    packed: PackedZip,
    result: Rehearsal | None,
    workspace: Workspace,
    console: Console,
    file: Rehearsal | None = None,
) -> None:
    """What a contestant wants to know at the end, the page that shows it, and what to do next.

    result: None where the zip was not rehearsed.
    """
    console.rule("result", align="left")
    made, echo = packed.blend, make_echo(console)
    expected = made.expected
    echo(f"zip       {packed.path}  ({packed.size_mb:.1f} MB, sha256 {packed.sha256[:12]})")
    echo(
        f"expect    {expected.point:.3f} on the hidden test, {expected.low:.3f} to {expected.high:.3f} with "
        f"{expected.level:.0%} probability ({expected.expects}); clean {made.nested.clean:.3f}"
        f"{'; ' if expected.note else ''}{expected.note}"
    )
    if result is not None and result.hidden is not None:
        inside = "inside" if expected.low <= result.hidden <= expected.high else "outside"
        echo(f"achieved  {result.hidden:.3f} on the practice contest's hidden test: {inside} the interval")
    show_scenarios(made, console, result.forms if result is not None else None)
    echo(f"report    {page_about(contest, workspace, packed.path)}")
    if result is not None and not result.passed:
        console.print("[red]The rehearsal failed: do not upload this zip.[/red] The table above says what to fix.")
        return
    if result is None:
        rehearse = f"kit rehearse {packed.path} --contest {contest.name} --platform {packed.manifest['platform']}"
        console.print("[yellow]The zip was not rehearsed[/yellow]: nobody knows whether it runs on the platform.")
        echo(f"{'next' if file is None else 'better':<9} {rehearse}   (kit upload takes no zip without it)")
        if file is None:
            return
    if file is None:
        echo(f"next      kit upload {packed.path} --phase PHASE_ID   (or the platform's web page)")
        return
    echo(f"file      {file.zip}")
    if not file.passed:
        console.print("[red]The file failed: do not upload it.[/red] The table above says what to fix.")
        return
    where = "--kaggle COMPETITION" if file.zip.suffix == ".csv" else "--phase PHASE_ID"
    echo(f"next      kit upload {file.zip} {where}   (or the platform's web page)")


def show_scenarios(made: Blend, console: Console, achieved: Mapping[str, float] | None = None) -> None:
    echo = make_echo(console)
    for line in scenario_lines(scenario_rows(made, achieved)):
        echo(line)
    if made.belief is not None:
        echo(f"  {made.belief.line()}")


def summary(
    contest: ContestConfig, packed: PackedZip, result: Rehearsal | None, file: Rehearsal | None = None
) -> dict[str, Any]:
    """The result as plain values, for --json; "rehearsal_passed" is None where the zip was not rehearsed."""
    made = packed.blend
    return {
        "contest": contest.name,
        "zip": str(packed.path),
        "size_mb": packed.size_mb,
        "sha256": packed.sha256,
        "ensemble": made.kind,
        "members": {member.recipe: member.weight for member in made.members},
        "nested": asdict(made.nested),
        "expected": asdict(made.expected),
        "scenarios": scenario_rows(made, result.forms if result is not None else None),
        "hidden": result.hidden if result is not None else None,
        "rehearsal_passed": result.passed if result is not None else None,
        **({"file": str(file.zip), "file_passed": file.passed} if file is not None else {}),
    }
