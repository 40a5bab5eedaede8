"""The fifth stage: the zip is run as the platform runs it, unless it was before."""

from __future__ import annotations

from typing import Literal

from rich.console import Console

from kit.config import ContestConfig, PlatformConfig
from kit.data.prepared import Prepared
from kit.options import make_echo
from kit.packaging.packed import PackedZip
from kit.pipeline.clock import Clock
from kit.pipeline.rehearsed import within
from kit.rehearsal.rehearse import rehearse as make_rehearsal
from kit.rehearsal.repeat import passed_before
from kit.rehearsal.result import Rehearsal
from kit.workspace import Workspace

NO_CLOCK = Clock()
When = Literal["new", "again", "none"]
"""Rehearse a zip that did not pass before, any zip, or none."""


def rehearse(
    contest: ContestConfig,
    packed: PackedZip,
    prepared: Prepared,
    platform: PlatformConfig,
    workspace: Workspace,
    console: Console,
    clock: Clock = NO_CLOCK,
    when: When = "new",
    predicted: int = 0,
) -> Rehearsal | None:
    """The zip run as the platform runs it, every check with its figure; on fewer rows where the clock asks for it.

    when: "new", not where the same bytes passed before under the same conditions; "again" in any case; "none" not at
    all: None where they did not pass before either. predicted: images that are predicted after it.
    """
    console.rule("rehearse", align="left")
    echo, remarks = make_echo(console), list[str]()
    rows, many_seconds = within(clock, contest, packed, platform, workspace, remarks.append, predicted)
    shorter = platform.model_copy(update={"rehearsal_rows": rows})
    known = None if when == "again" else passed_before(packed.path, packed.sha256, shorter, contest, many_seconds)
    if known is not None:
        console.print(known.table())
        echo("These bytes passed before, in the same environment: not run again. To run it: --rehearsal again")
        return known
    if when == "none":
        echo(f"{packed.path}: NOT REHEARSED, as --rehearsal none asks")
        return None
    for line in remarks:
        echo(line)
    result = make_rehearsal(
        packed.path,
        shorter,
        contest=contest,
        prepared=prepared,
        workspace=workspace,
        many_seconds=many_seconds,
    )
    console.print(result.table())
    return result
