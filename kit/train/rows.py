"""Rows of a tensor, as a device needs them: it keeps all of them where they fit, else each batch is sent."""

from __future__ import annotations

import torch
from torch import Tensor

from kit.train.device import free_bytes, sent

SHARE = 0.2
"""Of a device's free memory that the rows of one fit may take; several fits may share it."""


class Rows:
    """A tensor (N, ...) of the host, indexed by row numbers (n,) int64 of the host; what comes out is on `device`.

    On a GPU nothing waits: row numbers, and rows that are not kept there, travel through pinned memory while it
    computes. As no step waits either, the host gathers rows of later steps meanwhile; so no thread has to.
    """

    def __init__(self, values: Tensor, device: torch.device, keep: bool = True) -> None:
        """keep: whether the device may keep them all."""
        self.device = device
        kept = keep and values.nbytes <= SHARE * free_bytes(device)
        self.values = values.to(device) if kept else values

    def __getitem__(self, rows: Tensor) -> Tensor:
        if self.values.device.type == self.device.type:
            return self.values[sent(rows, self.device)]
        if self.device.type != "cuda":
            return self.values[rows].to(self.device)
        shape = (len(rows), *self.values.shape[1:])
        gathered = torch.empty(shape, dtype=self.values.dtype, pin_memory=True)
        torch.index_select(self.values, 0, rows, out=gathered)
        return gathered.to(self.device, non_blocking=True)
