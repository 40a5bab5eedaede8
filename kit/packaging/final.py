"""A network that was trained on all rows, beside those of the folds; and what rows that are held back cost.

Nothing is left to score it on, so nothing is claimed for it: the score to expect stays that of the folds' networks,
its out-of-fold twins. What the vault costs is measured on rows that both networks of a pair leave out: a network of the
same recipe on half of the rows, for as many steps, and the fold's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kit.artefact import read_json, read_npz, sha256_bytes
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.ensemble.blend import Blend
from kit.ensemble.scoring.scores import row_se
from kit.errors import PackagingError
from kit.inference.model import merge_views
from kit.metrics.registry import get_metric
from kit.oof_store import RUN
from kit.packaging.members import ALL_ROWS, Member
from kit.train.all_rows import train_on_all_rows, train_on_half
from kit.train.stored import OOF, check_files, checked_spec
from kit.workspace import Workspace


@dataclass(frozen=True)
class RowsCost:
    """What half of the rows cost in the contest's metric, clean: of one network, and its paired standard error.

    train: rows that a fold trains on. vault: rows of the vault.
    """

    half: float
    se: float
    train: int
    vault: int
    metric: str

    @property
    def of_vault(self) -> tuple[float, float]:
        """What the vault's rows cost, if every doubling of the rows is worth the same; and its standard error."""
        doublings = float(np.log2((self.train + self.vault) / self.train))
        return self.half * doublings, self.se * doublings

    def line(self) -> str:
        """In words."""
        cost, error = self.of_vault
        share = self.vault / (self.train + self.vault)
        return (
            f"the vault's {self.vault:,} rows are {share:.1%} of what a fold could train on and cost one network "
            f"{cost:.4f} ± {error:.4f} of {self.metric}: half of the rows cost {self.half:.4f} ± {self.se:.4f}"
        )


def strongest(blend: Blend) -> str:
    """The recipe of the blend that scores best by itself, of those that a zip can run."""
    able = [part for part in blend.members if not part.external]
    return max(able, key=lambda part: part.score.gain(blend.expects)).recipe


def with_all_rows(
    blend: Blend,
    members: Sequence[Member],
    contest: ContestConfig,
    prepared: Prepared,
    workspace: Workspace,
    echo: Echo,
) -> list[Member]:
    """The members, and last one of the strongest recipe that was trained on all rows; `echo` is told what rows cost.

    PackagingError where `prepared` is not what the blend was made from.
    """
    have = {"data": prepared.data_digest, "folds": prepared.fold_digest}
    if blend.digests and blend.digests != have:
        raise PackagingError(
            f"{blend.name}: was made from other data or folds than are here now, so no network can be added. "
            f"Train and blend again: kit train --contest {contest.name}"
        )
    name = strongest(blend)
    run = workspace.run(contest.name, name)
    recipe = RecipeConfig.model_validate(read_json(run / RUN, f"kit train {name} --contest {contest.name}")["config"])
    folder = train_on_all_rows(contest, prepared, recipe, workspace, echo)
    if (cost := rows_cost(contest, prepared, recipe, workspace, echo)) is not None:
        echo(f"  {cost.line()}")
    spec = checked_spec(folder, f"kit package {blend.name} --final --contest {contest.name}")
    weights = (folder / spec["weights"]).read_bytes()
    twin = next(member for member in reversed(members) if member.entry["recipe"] == name)
    named = {"fold": ALL_ROWS, "weights": f"{name}.{ALL_ROWS}.safetensors", "sha256": sha256_bytes(weights)}
    count = sum(member.entry["recipe"] == name for member in members)
    whole = Member(folder, spec, twin.entry | named, weights)
    return [_sharing(member, name, count) for member in [*members, whole]]


def _sharing(member: Member, recipe: str, count: int) -> Member:
    """The member with its weight, where its recipe has one network more than `count`."""
    if member.entry["recipe"] != recipe:
        return member
    return replace(member, entry=member.entry | {"weight": member.entry["weight"] * count / (count + 1)})


def rows_cost(
    contest: ContestConfig, prepared: Prepared, recipe: RecipeConfig, workspace: Workspace, echo: Echo
) -> RowsCost | None:
    """Measured on what fold 0 holds out; None without a vault, and where rows are few."""
    if not len(prepared.vault):
        return None
    folder = train_on_half(contest, prepared, recipe, workspace, echo)
    if folder is None:
        return None
    metric, values = get_metric(contest.metric), []
    for place in (workspace.run(contest.name, recipe.name) / "fold0", folder):
        check_files(place, (OOF,), f"kit train {recipe.name} --contest {contest.name}")
        arrays = read_npz(place / OOF)
        order = np.argsort(arrays["ids"])
        values.append(metric.row_values(arrays["labels"][order], merge_views(arrays["logits"][order], 1.0)))
    lost = metric.sign * (values[0] - values[1])
    return RowsCost(
        float(lost.mean()), row_se(lost), len(prepared.split(0).train), len(prepared.vault), contest.metric
    )
