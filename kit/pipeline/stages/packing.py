"""The fourth stage: the zip, and its line in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from kit.config import ContestConfig, PlatformConfig
from kit.data.prepared import Prepared
from kit.ensemble.blend import Blend
from kit.options import make_echo
from kit.packaging.pack import Notebook, package
from kit.packaging.packed import PackedZip
from kit.platforms.ledger import record_zip, remote_scores
from kit.workspace import Workspace


def pack(
    contest: ContestConfig,
    made: Blend,
    platform: PlatformConfig,
    workspace: Workspace,
    out: Path | None,
    console: Console,
    prepared: Callable[[], Prepared] | None = None,
    notebook: Notebook | None = None,
    adapt: bool = False,
    final: bool = False,
) -> PackedZip:
    """The zip; beside the other submissions where `out` is not given. The blend in it, where it is another, is kept."""
    console.rule("package", align="left")
    target = out or workspace.submissions / f"{contest.name}-{made.name}-{platform.name}.zip"
    echo = make_echo(console)
    packed = package(
        made,
        contest,
        workspace,
        platform,
        target,
        prepared=prepared,
        notebook=notebook,
        adapt=adapt,
        final=final,
        remote=remote_scores(workspace, contest.name, made.expects),
        echo=echo,
    )
    record_zip(workspace, packed)
    if packed.blend.name != made.name:
        path = workspace.oof(contest.name) / "blends" / f"{packed.blend.name}.json"
        packed.blend.to_json(path)
        echo(f"{made.name} did not fit: {packed.blend.name} was packed in its place, written to {path}")
    echo(f"{packed.path}: {packed.size_mb:.1f} MB, {len(packed.manifest['members'])} networks")
    return packed
