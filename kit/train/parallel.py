"""One fit by several processes, as `torchrun` starts them: each goes through its rows of every batch, all move alike.

Every process draws and augments the whole batch, and takes its rows of it. So the order of rows, the partners that
images are mixed with, the batch and the learning rate are those of a fit in one process, and the checkpoint is too:
any number of processes can go on from it. Gradients are averaged by torch's DistributedDataParallel.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from kit.config import RecipeConfig
from kit.errors import TrainError

Value = TypeVar("Value")
Step = Callable[[Tensor, float], tuple[Tensor, Tensor]]
"""Row numbers (B,) and the progress of the fit to their loss and accuracy."""
PATIENCE = timedelta(days=1)
"""Longest wait for the others: cleaning may take hours, and torchrun ends all where one has died."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that train one fit."""

    rank: int = 0
    size: int = 1
    local: int = 0
    """Its number on its machine, and that of its GPU."""

    @property
    def first(self) -> bool:
        """Whether it is the one that writes files, scores, and speaks."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """This process's rows of a batch (B, ...); they differ by at most one in number."""
        return batch.tensor_split(self.size)[self.rank]

    def agreed(self, make: Callable[[], Value]) -> Value:
        """What `make` gives in the first process."""
        if self.size == 1:
            return make()
        box = [make() if self.first else None]
        dist.broadcast_object_list(box, device=torch.device("cpu"))
        return box[0]  # type: ignore[return-value]

    def first_then_others(self, make: Callable[[], Value]) -> Value:
        """What `make` gives in each process; the others begin when the first is done, and find the files it wrote."""
        made = make() if self.first else None
        self.agreed(lambda: None)
        return made if self.first else make()  # type: ignore[return-value]

    def mean(self, value: Tensor) -> Tensor:
        """The mean over the processes, the same in all."""
        if self.size == 1:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.size

    def network(self, net: nn.Module, device: torch.device) -> nn.Module:
        """The network, its BatchNorm seeing the batches of all GPUs; torch has that for GPUs alone."""
        if self.size == 1 or device.type != "cuda":
            return net
        from timm.layers import convert_sync_batchnorm

        return convert_sync_batchnorm(net)

    def even_out(self, net: nn.Module) -> None:
        """Gives BatchNorm's running statistics their mean over the processes; on GPUs they are the same already."""
        if self.size == 1:
            return
        layers = [one for one in net.modules() if isinstance(one, _BatchNorm) and one.running_mean is not None]
        if not layers or isinstance(layers[0], nn.SyncBatchNorm):
            return
        running = [value for one in layers for value in (one.running_mean, one.running_var) if value is not None]
        joined = torch.cat([value.flatten() for value in running])
        dist.all_reduce(joined)
        for value, mean in zip(running, joined.div_(self.size).split([value.numel() for value in running])):
            value.copy_(mean)

    def vary(self, seed: int, epoch: int) -> None:
        """Lets dropout draw for each process's rows by themselves, the same again after a resumption."""
        if not self.first:
            torch.manual_seed((seed * 100_003 + epoch) * 1_009 + self.rank)

    def together(self, step: Step, *learning: nn.Module | None) -> Step:
        """`step`, whose gradients for the parameters of `learning` are those of the whole batch in all processes.

        To be called while all of them learn. The value of the loss is still that of this process's rows.
        """
        if self.size == 1:
            return step
        return DistributedDataParallel(
            _Share(step, self, [one for one in learning if one is not None]),
            broadcast_buffers=False,
            find_unused_parameters=True,  # layers are frozen and let go during a fit
        )


ALONE = Ranks()


class _Share(nn.Module):
    """A step as a module, so that DistributedDataParallel sees all that it does with the network."""

    def __init__(self, step: Step, ranks: Ranks, learning: list[nn.Module]) -> None:
        super().__init__()
        self.learning = nn.ModuleList(learning)
        self.step, self.ranks = step, ranks

    def forward(self, rows: Tensor, progress: float) -> tuple[Tensor, Tensor]:
        loss, score = self.step(rows, progress)
        weight = len(self.ranks.share(rows)) * self.ranks.size / len(rows)  # means over uneven shares
        return loss * weight, score * weight


@contextmanager
def joined() -> Iterator[Ranks]:
    """This process among those that torchrun started; TrainError where they are more than the machine's GPUs."""
    ranks = Ranks(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))
    gpus = torch.cuda.device_count()
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    if gpus and here > gpus:
        raise TrainError(f"torchrun: {here} processes on a machine with {gpus} GPUs. --nproc-per-node {gpus}")
    if gpus:
        torch.cuda.set_device(ranks.local)
    warnings.filterwarnings("ignore", message="find_unused_parameters=True was specified")
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    dist.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=PATIENCE)
    try:
        yield ranks
    finally:
        dist.destroy_process_group()


def check_shareable(recipe: RecipeConfig, rows: int, ranks: Ranks) -> None:
    """TrainError where a batch of the recipe, trained on `rows` rows, cannot be shared."""
    if recipe.contrastive.share or recipe.train.sampling == "smote_embeddings":
        what = "contrastive pre-training" if recipe.contrastive.share else "sampling on embeddings"
        raise TrainError(f"{recipe.name}: {what} looks across a whole batch. Train it in one process, without torchrun")
    batch, least = min(recipe.train.batch_size, rows), 2 * ranks.size * recipe.train.accumulate
    if batch < least:
        raise TrainError(
            f"{recipe.name}: {ranks.size} processes need batches of {least} rows or more (two for each, of every part "
            f"that train.accumulate makes), but this one's has {batch}. Fewer processes, or a larger train.batch_size"
        )
