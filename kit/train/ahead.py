"""Several batches made at once, where each call costs a device more than the images in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice

import torch
from torch import Tensor


class Ahead:
    """Images of the batches that come next; what was not announced is not here, and is made by itself."""

    def __init__(self, make: Callable[[Tensor], Tensor], pixels: int) -> None:
        """make: row numbers (n,) to images (n, 3, S, S). pixels: how many of them at once; 0: nothing ahead."""
        self.make, self.pixels = make, pixels
        self._coming: deque[Tensor] = deque()
        self._made: deque[Tensor] = deque()

    def over(self, batches: Iterator[Tensor], size: Callable[[], int]) -> Iterator[Tensor]:
        """The batches (B,) of row numbers, of which the next ones are known while one is used; size: S now."""
        self.forget()
        for first in batches:
            group = [first, *islice(batches, max(0, self.pixels // (size() ** 2 * len(first)) - 1))]
            self._coming = deque(group if len(group) > 1 else [])
            for place, rows in enumerate(group):
                yield rows
                while len(self._coming) >= len(group) - place:  # it was not taken, or in parts
                    self._drop()
        self.forget()

    def take(self, rows: Tensor, size: int) -> Tensor | None:
        """The images of the batch that comes next, where `rows` is all of it; each can be taken once."""
        if not self._coming or not torch.equal(rows, self._coming[0]):
            return None
        if self._made and self._made[0].shape[-1] != size:
            self._made.clear()
        if not self._made:
            self._made.extend(self.make(torch.cat(tuple(self._coming))).split([len(one) for one in self._coming]))
        self._coming.popleft()
        return self._made.popleft()

    def forget(self) -> None:
        """Lets go of what was made, as where memory runs out."""
        self._coming.clear()
        self._made.clear()

    def _drop(self) -> None:
        self._coming.popleft()
        if len(self._made) > len(self._coming):
            self._made.popleft()
