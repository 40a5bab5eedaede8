"""What the gradients of `kit/train/depthwise.py` make of a training step, beside torch's own, on one thread.

    python benchmarks/depthwise.py
    python benchmarks/depthwise.py --nets timm/mobilenetv2_100 --size 128 --batch 32 --rounds 8

Four networks of each kind take turns on one batch: float32 and bfloat16, each with torch's gradients and with the
kit's. Prints images per second from the shortest step of each, the factor to float32 with torch's gradients, and how
far the gradient in bfloat16 is turned from torch's in bfloat16 (1 is not at all).
"""

from __future__ import annotations

import argparse
import time

import torch
from rich.console import Console
from rich.table import Table
from torch.nn.functional import cosine_similarity, cross_entropy

from kit.inference.model import keep_freed_memory
from kit.nets.registry import build
from kit.train.depthwise import quick_depthwise
from kit.train.device import pinned

NETS = "timm/mobilenetv2_100,timm/tf_efficientnet_lite0,timm/mobilenetv3_large_100,timm/convnext_atto,timm/resnet18"
WAYS = {"fp32": (False, False), "fp32, kit": (False, True), "bf16": (True, False), "bf16, kit": (True, True)}


class Step:
    """One network and the batch that it is trained on."""

    def __init__(self, name: str, size: int, batch: int, way: tuple[bool, bool]) -> None:
        with pinned(0):
            self.net = build(name, 10, {}).train().to(memory_format=torch.channels_last)
            x = torch.randn(batch, 3, size, size)
        self.x, self.y = x.contiguous(memory_format=torch.channels_last), torch.arange(batch) % 10
        self.half, self.quick = way

    def seconds(self) -> float:
        """Of a pass forward and back; the gradients stay."""
        self.net.zero_grad()
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half), quick_depthwise(self.quick):
            logits = self.net(self.x)
        cross_entropy(logits.float(), self.y).backward()
        return time.perf_counter() - start

    @property
    def gradient(self) -> torch.Tensor:
        """All gradients in a row, float64."""
        return torch.cat([p.grad.flatten().double() for p in self.net.parameters() if p.grad is not None])


def measure(name: str, size: int, batch: int, rounds: int) -> list[str]:
    """A line of the table."""
    steps = {way: Step(name, size, batch, settings) for way, settings in WAYS.items()}
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(rounds + 1):
        for way, step in steps.items():
            seconds = step.seconds()
            if number:
                taken[way].append(seconds)
    alike = float(cosine_similarity(steps["bf16"].gradient, steps["bf16, kit"].gradient, 0))
    plain = min(taken["fp32"])
    cells = [f"{batch / min(some):.0f} ({plain / min(some):.2f})" for some in taken.values()]
    return [name.split("/")[-1], *cells, f"{alike:.5f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", default=NETS)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    table = Table(title=f"images/s at {chosen.size} px, batches of {chosen.batch}", title_justify="left")
    for heading in ("network", *WAYS, "alike"):
        table.add_column(heading)
    for name in chosen.nets.split(","):
        table.add_row(*measure(name, chosen.size, chosen.batch, chosen.rounds))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
