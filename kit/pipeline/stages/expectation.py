"""What is expected of the hidden test: shares of the shifts in it, and how likely each scenario is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from kit.config import ContestConfig
from kit.data.prepared import Prepared
from kit.data.sources.stream import look_at_test
from kit.ensemble.blend import Blend
from kit.ensemble.scoring.belief import Belief, prior, updated
from kit.ensemble.scoring.shares import shares_in_test
from kit.errors import ConfigError
from kit.options import make_echo
from kit.platforms.ledger import remote_promises
from kit.shifts.battery import Battery
from kit.shifts.scenarios import resemblance, scenario_shares
from kit.workspace import Workspace


def shares_expected(
    contest: ContestConfig, prepared: Prepared, workspace: Workspace, console: Console, test: Path | None = None
) -> dict[str, float] | None:
    """Shares of the battery's cells in the contest's unlabelled test images, or in the scenario that it names.

    None where it hands out none and expects a contest's mixture.
    """
    if contest.expects != "shifted":
        return None
    if not (test or contest.data.test):
        return named_shares(contest)
    battery = Battery.from_config(contest.shift)
    if not battery.cells:
        make_echo(console)(
            'the hidden test is expected to be shifted, but [shift] battery = "clean" scores no shift: what follows is '
            "for images like those of training, and too good for others"
        )
        return None
    seen = look_at_test(contest, test, workspace)
    shares, line = shares_in_test(battery, np.asarray(prepared.images), seen.images)
    make_echo(console)(line)
    return shares


def named_shares(contest: ContestConfig) -> dict[str, float] | None:
    """Shares of the battery's cells in the scenario that the contest expects; None for a contest's mixture."""
    if contest.expects != "shifted" or contest.scenario == "contest":
        return None
    shares = scenario_shares(contest.scenario, Battery.from_config(contest.shift).names)
    if not shares:
        raise ConfigError(
            f'{contest.name}: expects = "{contest.scenario}" needs cells of that kind in [shift] battery, but it '
            f'holds none. Set battery = "default", or expects = "contest"'
        )
    return shares


def named_prior(contest: ContestConfig) -> Belief:
    """How likely each scenario is by what the contest file expects alone."""
    return prior(contest.expects if contest.expects == "clean" else contest.scenario)


def believed(made: Blend, contest: ContestConfig, workspace: Workspace) -> Blend:
    """The blend with how likely each scenario is: by the test images where they told, and by remote scores."""
    shares = made.options.get("shares")
    if shares is None or shares == named_shares(contest):
        before = named_prior(contest)
    else:
        before = prior(contest.expects, resemblance(shares, Battery.from_config(contest.shift).names))
    return replace(made, belief=updated(before, remote_promises(workspace, contest.name)))
