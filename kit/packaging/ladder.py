"""The size ladder: what is left out, rung by rung, where a zip would be too big, and what each rung costs.

First what is measured to cost next to nothing: eight bits, then a student that scores as the blend does, with all its
folds. Then fewer folds: every out-of-fold row is predicted by one network a recipe, so the blend's nested scores are
those of one fold, and all that is lost is what averaging more of them adds, which the vault tells, where there is one.
A student that scores lower is measured to be worse than one fold of the blend, so it comes after that. Fewer folds of a
student are last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace

from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.ensemble.blend import Blend
from kit.ensemble.compress.substitute import students
from kit.ensemble.scoring.averaging import fewer_folds
from kit.ensemble.scoring.expected import with_folds
from kit.ensemble.scoring.recalibrate import recalibrated
from kit.errors import KitError
from kit.oof_store import load_run
from kit.packaging.members import Member
from kit.packaging.precision_loss import MAY_LOSE, Loss
from kit.workspace import Workspace

HALF, EIGHT = "fp16", "int8"


@dataclass(frozen=True)
class Rung:
    """Members as a zip could hold them, and the blend that they are of.

    what: "student", or "" for the blend that was to be packed. way: how its networks were made smaller. scores: those
    of a student beside the blend's.
    """

    what: str
    way: str
    blend: Blend
    members: list[Member]
    costs: str
    scores: str = ""

    @property
    def note(self) -> str:
        """What it is, and what it costs as far as that is known."""
        return "; ".join(filter(None, (self.costs, self.scores)))

    @property
    def name(self) -> str:
        """As it is printed."""
        return f"{self.what}, {self.way}" if self.what else self.way

    @property
    def size(self) -> int:
        """Bytes of weights."""
        return sum(len(member.weights) for member in self.members)


@dataclass(frozen=True)
class Ladder:
    """What rungs are made from.

    read: gives the networks of a blend. prepared: gives the images that eight bits are measured on; None leaves those
    out. remote: local and remote scores of earlier zips. echo: told what could have stood for the blend and cannot.
    losses: by recipe, what was measured already.
    """

    contest: str
    workspace: Workspace
    read: Callable[[Blend], list[Member]]
    prepared: Callable[[], Prepared] | None
    remote: tuple[list[float], list[float]]
    echo: Echo
    losses: dict[str, Loss] = field(default_factory=dict)

    def final(self, blend: Blend, members: list[Member]) -> Rung:
        """Above the rungs: with a network that was trained on all rows, for which its out-of-fold twins vouch."""
        note = f"{len(members)} networks, one of them on all rows, for which no more is expected than for the folds'"
        return Rung("", f"{HALF} and all rows", blend, members, note)

    def rungs(self, blend: Blend, members: list[Member]) -> Iterator[Rung]:
        """From best to smallest, each made when it is asked for."""
        note = f"{len(members)} networks in half precision, as they were scored"
        last = yield from self._whole(Rung("", HALF, blend, members, note))
        worse, smallest = [], []
        for full in self._substitutes(blend):
            if _lost(full.blend, blend) > MAY_LOSE:
                worse.append(full)
            else:
                smallest.append((yield from self._whole(full)))
        yield from _fewer_folds(last)
        for full in worse:
            smallest.append((yield from self._whole(full)))
        for small in smallest:
            yield from _fewer_folds(small)

    def _whole(self, full: Rung) -> Generator[Rung, None, Rung]:
        """All its folds as they are, then the recipes that bear it in eight bits; the last of both."""
        yield full
        if self.prepared is None:
            return full
        members, notes = self._eight_bits(full.members, self.prepared, full.blend.metric)
        small = replace(full, way=EIGHT, members=members, costs="; ".join(notes))
        yield small
        return small

    def _eight_bits(
        self, members: Sequence[Member], prepared: Callable[[], Prepared], metric: str
    ) -> tuple[list[Member], list[str]]:
        """The members, those of each recipe that bears it in eight bits, and what was measured."""
        from kit.packaging.quantise import measure, quantised  # torch, where a zip is too big

        smaller = [quantised(member) for member in members]
        recipes = list(dict.fromkeys(member.entry["recipe"] for member in members))
        for recipe in recipes:
            if recipe not in self.losses:
                mine = [member for member in smaller if member.entry["recipe"] == recipe]
                run = load_run(self.workspace.run(self.contest, recipe))
                self.losses[recipe] = measure(mine, run, prepared(), metric)
        chosen = [small if self.losses[full.entry["recipe"]].holds else full for full, small in zip(members, smaller)]
        return chosen, [f"{recipe}: {self.losses[recipe]}" for recipe in recipes]

    def _substitutes(self, blend: Blend) -> Iterator[Rung]:
        """The students that may stand for the blend, in half precision."""
        try:
            for found in students(blend, self.contest, self.workspace, self.echo):
                yield from self._rung(found, blend)
        except KitError as error:
            self.echo(f"  student: left out. {error}")

    def _rung(self, found: Blend, blend: Blend) -> Iterator[Rung]:
        """`found` in half precision, if its networks are there; `echo` is told where not."""
        try:
            members = self.read(found)
        except KitError as error:
            self.echo(f"  {found.name}: left out. {error}")
            return
        made = replace(found, expected=recalibrated(found.expected, *self.remote, found.metric))
        yield Rung("student", HALF, made, members, f"{len(members)} networks", _beside(made, blend))


def _beside(made: Blend, blend: Blend) -> str:
    """The scores of what stands for a blend beside that blend's own, all of rows that none of their networks saw."""
    scores = f"out-of-fold clean {made.nested.clean:.4f} ({blend.name}: {blend.nested.clean:.4f})"
    if made.nested.shifted is not None and blend.nested.shifted is not None:
        scores += f", shifted {made.nested.shifted:.4f} ({blend.name}: {blend.nested.shifted:.4f})"
    return f"{made.name}: {scores}"


def _lost(made: Blend, blend: Blend) -> float:
    """The most that `made` scores worse than `blend`, on clean or on shifted rows."""
    return max(blend.nested.gain(on) - made.nested.gain(on) for on in ("clean", "shifted"))


def _fewer_folds(full: Rung) -> Iterator[Rung]:
    """The first folds of every recipe, ever fewer."""
    most = max(Counter(member.entry["recipe"] for member in full.members).values())
    for count in range(most - 1, 0, -1):
        kept = _first_folds(full.members, count)
        costs = f"{len(kept)} networks of {full.blend.name}: {_cost_of_folds(full.blend, count)}"
        way, made = f"{count} {'folds' if count > 1 else 'fold'}", _expecting_less(full.blend, count)
        yield replace(full, way=way, blend=made, members=kept, costs=costs)


def _expecting_less(blend: Blend, count: int) -> Blend:
    """The blend with the scores to expect of its first `count` folds; itself where nothing is known of averaging."""
    if blend.expected.averaging is None:
        return blend
    less = {name: with_folds(one, count) for name, one in blend.scenarios.items()}
    return replace(blend, expected=with_folds(blend.expected, count), scenarios=less)


def _cost_of_folds(blend: Blend, count: int) -> str:
    """What is lost with the first `count` folds of a blend, in words."""
    gain = blend.expected.averaging
    if gain is None:
        return "its scores are those of one fold, what more add is unknown"
    less = fewer_folds(gain, count)
    source = f"the {gain.rows:,} rows of the vault" if gain.rows else "recorded blends"
    return f"{less.gain - gain.gain:+.4f} ± {abs(gain.se - less.se):.4f} against all {gain.folds} folds, by {source}"


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
