"""Batches computed in parts whose gradients add up; where memory runs out, in more of them."""

from __future__ import annotations

import torch
from torch import Tensor

from kit.echo import Echo
from kit.errors import TrainError
from kit.train.device import release
from kit.train.memory import ran_out
from kit.train.objective import Objective
from kit.train.parallel import ALONE, Ranks


class InParts:
    """Puts the gradients of a batch in place, in `count` parts of it; the weights move once a batch all the same.

    A batch loss is the mean over its parts, so only what looks across a batch notices: BatchNorm's statistics,
    MixUp's partners, contrastive pairs and the normalisation of class weights are those of a part.
    """

    def __init__(
        self, objective: Objective, optimizer: torch.optim.Optimizer, count: int, ranks: Ranks = ALONE
    ) -> None:
        self.objective, self.optimizer, self.count, self.ranks = objective, optimizer, count, ranks
        self.step = ranks.together(objective, objective.net, objective.projector)
        self.say: Echo = lambda line: None
        """Told when memory runs out."""

    def backward(self, rows: Tensor, progress: float) -> tuple[Tensor, Tensor]:
        """Adds the gradients of the batch `rows` (B,) at `progress` of the fit; its loss and its accuracy.

        TrainError where even parts of two rows are too large.
        """
        batches = self.objective.batches
        before = batches.state_dict()
        while True:
            try:
                return self._once(rows, progress)
            except (RuntimeError, MemoryError) as error:
                if not ran_out(error):
                    raise
                if self.ranks.size > 1:  # the others wait within this step, and do not hear of smaller parts
                    raise TrainError(
                        f"{self.objective.recipe.name}: memory runs out in process {self.ranks.rank} of "
                        f"{self.ranks.size}. Raise train.accumulate (now {self.count}), or take more processes"
                    ) from error
            # Outside of the handler, whose traceback would keep the tensors of the failed pass alive.
            self._halve(len(rows))
            batches.load_state_dict(before)

    def _once(self, rows: Tensor, progress: float) -> tuple[Tensor, Tensor]:
        found: list[tuple[Tensor, Tensor]] = []
        for part in rows.tensor_split(min(self.count, max(1, len(rows) // (2 * self.ranks.size)))):
            share = len(part) / len(rows)
            loss, right = self.step(part, progress)
            (loss * share).backward()
            found.append((loss.detach() * share, right * share))
        total, score = (torch.stack(parts).sum(0) for parts in zip(*found))
        return self.ranks.mean(total), self.ranks.mean(score)

    def _halve(self, rows: int) -> None:
        recipe = self.objective.recipe
        if 2 * self.count > max(1, rows // 2):
            raise TrainError(
                f"{recipe.name}: memory runs out even with parts of {max(1, rows // self.count)} images of "
                f"{recipe.size} px. Lower size, or take a smaller network"
            )
        self.count *= 2
        self.optimizer.zero_grad()
        release(self.objective.batches.device)
        self.say(
            f"{recipe.name}: out of memory with a batch of {rows}; it is now computed in {self.count} parts of about "
            f"{rows // self.count}, and the gradients are added up"
        )
