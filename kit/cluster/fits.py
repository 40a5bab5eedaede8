"""The unit that `kit train` is made of: one fold of one recipe, trained and scored into the OOF store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from kit.artefact import read_json
from kit.cluster.unit import Job, Talk, Unit
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.lock import alone
from kit.train.device import pick_device
from kit.train.fit import Fit
from kit.train.fold import AfterEpoch
from kit.train.images import resized
from kit.train.run import Trainer
from kit.train.stored import CHECKPOINT, MARKER
from kit.workspace import Workspace


class Rows(Protocol):
    """Where a worker finds the contest's rows."""

    def load(self) -> Prepared:
        """The rows, kept for the next unit of this process."""
        ...


class FitsOne(Protocol):
    """A job that trains one fold, alone or among other things."""

    @property
    def fit(self) -> FitJob:
        """The part that trains."""
        ...

    def with_fit(self, fit: FitJob) -> Job:
        """The same job, training elsewhere."""
        ...


@dataclass(frozen=True)
class FitJob:
    """Trains and scores one fold; gives what its fold.json says."""

    contest: ContestConfig
    recipe: RecipeConfig
    fold: int
    data: Rows
    root: Path
    cache: Path
    """Where speeds are kept that all workers go by."""
    keeps: bool = False
    """Whether its files must be sent home, as this machine's disk is not the driver's."""
    deadline: float | None = None
    """When it should have made its last step, in the seconds of this machine's time.monotonic()."""

    def __call__(self, talk: Talk, share: float) -> dict[str, Any]:
        return self.train(talk, share, None)

    def train(self, talk: Talk, share: float, after_epoch: AfterEpoch | None) -> dict[str, Any]:
        """As calling it, with something to do after every epoch."""
        prepared = self.data.load()
        trainer = self.trainer(prepared, share, self._after_epoch(talk, after_epoch))
        with alone(self.cache / "precision.lock"):  # two that measure at once disturb each other
            trainer.precision(resized(prepared.images[: self.recipe.train.batch_size], self.recipe.size))
        trainer.train([self.fold], talk.line)
        made: dict[str, Any] = read_json(self.folder / MARKER)
        if self.keeps:
            for path in sorted(self.folder.iterdir(), key=lambda path: path.name == MARKER):
                self._send(talk, path)
        return made

    def _after_epoch(self, talk: Talk, then: AfterEpoch | None) -> AfterEpoch | None:
        if not self.keeps:
            return then

        def send(fold: int, fit: Fit) -> None:
            self._send(talk, self.folder / CHECKPOINT)
            if then is not None:
                then(fold, fit)

        return send

    def _send(self, talk: Talk, path: Path) -> None:
        talk.keep(str(path.relative_to(self.root)), path.read_bytes())

    @property
    def folder(self) -> Path:
        """Where the fold's files lie."""
        return Workspace(self.root).run(self.contest.name, self.recipe.name) / f"fold{self.fold}"

    @property
    def fit(self) -> FitJob:
        """Itself."""
        return self

    def with_fit(self, fit: FitJob) -> FitJob:
        """That one."""
        return fit

    def trainer(self, prepared: Prepared, share: float, after_epoch: AfterEpoch | None = None) -> Trainer:
        """What trains it on this process's device."""
        workspace = Workspace(self.root)
        more: dict[str, Any] = {"batch_share": share, "deadline": self.deadline, "after_epoch": after_epoch}
        return Trainer(self.contest, prepared, self.recipe, workspace, pick_device(), **more)


def fit_unit(job: FitJob, rows: int) -> Unit:
    """The unit of `job`, whose training part has `rows` rows."""
    recipe = job.recipe
    work = recipe.train.epochs * rows * recipe.size**2
    group = f"{recipe.net.name} {recipe.net.args} {recipe.size} {recipe.train.batch_size}"
    return Unit(f"{recipe.name} fold {job.fold}", job, group, work)
