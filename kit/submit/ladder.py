"""The size ladder: what gives way, rung by rung, where a zip would be too big, and what each rung costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from kit.data.prepared import Prepared
from kit.oof import load_run
from kit.submit.members import Member
from kit.submit.quantise import measure, quantised
from kit.workspace import Workspace

Echo = Callable[[str], object]


@dataclass(frozen=True)
class Rung:
    """Members as a zip could hold them."""

    name: str
    members: list[Member]
    note: str


def rungs(
    members: Sequence[Member], contest: str, workspace: Workspace, prepared: Callable[[], Prepared] | None
) -> Iterator[Rung]:
    """From best to smallest, each made when it is asked for.

    Eight bits are tried where `prepared` gives the pictures to measure them on, recipe by recipe; those that
    lose too much keep half precision. Fewer folds keep the first of every recipe.
    """
    current = list(members)
    yield Rung("fp16", current, f"{len(current)} networks in half precision, as they were scored")
    if prepared is not None:
        current, notes = _eight_bits(current, contest, workspace, prepared())
        yield Rung("int8", current, "; ".join(notes))
    most = max(Counter(member.entry["recipe"] for member in members).values())
    for count in range(most - 1, 0, -1):
        kept = _first_folds(current, count)
        yield Rung(
            f"{count} {'folds' if count > 1 else 'fold'}",
            kept,
            f"{len(kept)} networks; out-of-fold rows, which one network answers, cannot tell what it costs",
        )


def _eight_bits(
    members: Sequence[Member], contest: str, workspace: Workspace, prepared: Prepared
) -> tuple[list[Member], list[str]]:
    """The members, those of each recipe that bears it in eight bits, and what was measured."""
    smaller = [quantised(member) for member in members]
    taken: set[str] = set()
    notes = []
    for recipe in dict.fromkeys(member.entry["recipe"] for member in members):
        mine = [member for member in smaller if member.entry["recipe"] == recipe]
        loss = measure(mine, load_run(workspace.run(contest, recipe)), prepared)
        notes.append(f"{recipe}: {loss}")
        if loss.holds:
            taken.add(recipe)
    chosen = [small if small.entry["recipe"] in taken else full for full, small in zip(members, smaller)]
    return chosen, notes


def _first_folds(members: Sequence[Member], count: int) -> list[Member]:
    """The first `count` networks of every recipe, in the order they run in."""
    seen: Counter[str] = Counter()
    kept = []
    for member in members:
        seen[member.entry["recipe"]] += 1
        if seen[member.entry["recipe"]] <= count:
            kept.append(member)
    left = Counter(member.entry["recipe"] for member in kept)
    return [_weighing(member, seen[member.entry["recipe"]] / left[member.entry["recipe"]]) for member in kept]


def _weighing(member: Member, factor: float) -> Member:
    """The member with its share of the blend multiplied."""
    return replace(member, entry=member.entry | {"weight": member.entry["weight"] * factor})
