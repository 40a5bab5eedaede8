"""How much of a rehearsal the minutes that are left allow: every check is made, on fewer rows where it must be."""

from __future__ import annotations

from kit.config import ContestConfig, PlatformConfig
from kit.echo import Echo
from kit.packaging.packed import PackedZip
from kit.pipeline.clock import STAGES, Clock
from kit.pipeline.plan import Plan
from kit.rehearsal.calls import MANY, MANY_SECONDS, images_of_calls
from kit.rehearsal.reference import MEMBER_ROWS
from kit.workspace import Workspace

HIDDEN = 1_000
"""Images of the practice contest's hidden test."""
LEAST_ROWS, STEP = 200, 20
"""Fewest rows, and the steps in which they are cut."""


def within(
    clock: Clock,
    contest: ContestConfig,
    packed: PackedZip,
    platform: PlatformConfig,
    workspace: Workspace,
    echo: Echo,
    predicted: int = 0,
) -> tuple[int, float]:
    """Rows of a rehearsal, and the most seconds of its largest call, with which it and what follows end in time.

    predicted: images that are predicted after it.
    """
    wanted = platform.rehearsal_rows
    image = seconds_an_image(contest, packed, workspace) if clock.minutes is not None else 0.0
    if not image:
        return wanted, MANY_SECONDS
    practice = contest.data.kind == "practice"
    free = clock.remaining() - clock.starting(practice) - STAGES / 2
    rows, many = fitting(free / image - predicted, wanted, practice)
    if rows < wanted or not many:
        fewer = [f"asks for {rows:,} rows instead of {wanted:,}"] if rows < wanted else []
        without = [] if many else [f"makes no call of {MANY:,} images"]
        echo(f"budget: the rehearsal {' and '.join([*fewer, *without])}, to end in time")
    return rows, min(MANY_SECONDS, many * image)


def fitting(images: float, wanted: int, practice: bool = False) -> tuple[int, float]:
    """Rows, and the images of the largest call, of a rehearsal that may send `images` through all networks."""
    fewest = min(LEAST_ROWS, wanted)
    rows = next((rows for rows in range(wanted, fewest, -STEP) if images_sent(rows, practice) <= images), fewest)
    left = images - images_sent(rows, practice)
    return rows, left if left >= MANY else 0.0


def images_sent(rows: int, practice: bool) -> int:
    """Images that a rehearsal of `rows` sends through all networks, its largest call left out."""
    return images_of_calls(rows) + MEMBER_ROWS + (HIDDEN if practice else 0)


def seconds_an_image(contest: ContestConfig, packed: PackedZip, workspace: Workspace) -> float:
    """Seconds of one image through all networks of the zip, as the race measured them; 0 where there was none."""
    plan = Plan.read(workspace, contest)
    if plan is None:
        return 0.0
    from kit.train.device import usable_cores  # torch, where there is a budget

    scored = {f"{name}-e{epochs:g}": plan.heats[name][-1]["scored"] for name, epochs in plan.epochs.items()}
    members = [member.recipe for member in packed.blend.members]
    together = sum(scored.get(name, 0.0) for name in members) * plan.n_splits
    return float(together / max(1.0, 0.7 * usable_cores()))
