"""The fifth stage: the zip is run as the platform runs it."""

from __future__ import annotations

from rich.console import Console

from kit.config import ContestConfig, PlatformConfig
from kit.data.prepared import Prepared
from kit.options import make_echo
from kit.packaging.packed import PackedZip
from kit.pipeline.clock import Clock
from kit.pipeline.rehearsed import within
from kit.rehearsal.rehearse import rehearse as make_rehearsal
from kit.rehearsal.result import Rehearsal
from kit.workspace import Workspace

NO_CLOCK = Clock()


def rehearse(
    contest: ContestConfig,
    packed: PackedZip,
    prepared: Prepared,
    platform: PlatformConfig,
    workspace: Workspace,
    console: Console,
    clock: Clock = NO_CLOCK,
) -> Rehearsal:
    """The zip run as the platform runs it, every check with its figure; on fewer rows where the clock asks for it."""
    console.rule("rehearse", align="left")
    rows, many_seconds = within(clock, contest, packed, platform, workspace, make_echo(console))
    shorter = platform.model_copy(update={"rehearsal_rows": rows})
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
