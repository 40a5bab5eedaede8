"""What keeping freed memory does to a training step on the CPU: kept against returned, in turn, one process each.

    python benchmarks/allocator.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import torch

CASES = (("timm/mobilenetv2_100", 96, 32), ("timm/mobilenetv2_100", 64, 64), ("kit/residual", 64, 64))
STEPS, ROUNDS = 12, 3


def images_per_second(name: str, size: int, batch: int) -> float:
    """Training images per second of `name` in float32, channels_last."""
    from kit.nets.registry import build

    net = build(name, 8).to(memory_format=torch.channels_last).train()
    x = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    seconds = []
    for _ in range(STEPS):
        start = time.perf_counter()
        net(x).square().mean().backward()
        net.zero_grad()
        seconds.append(time.perf_counter() - start)
    return batch / statistics.median(seconds[2:])


def child(kept: str, name: str, size: str, batch: str) -> None:
    """One measurement in a process of its own, as the setting cannot be taken back."""
    from kit.inference.model import keep_freed_memory

    if kept == "kept":
        keep_freed_memory()
    print(images_per_second(name, int(size), int(batch)))


def main() -> None:
    for name, size, batch in CASES:
        speeds: dict[str, list[float]] = {"kept": [], "returned": []}
        for _ in range(ROUNDS):
            for setting, found in speeds.items():
                command = [sys.executable, __file__, setting, name, str(size), str(batch)]
                found.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        kept, returned = (statistics.median(speeds[setting]) for setting in ("kept", "returned"))
        case = f"{name} {size} px, batch {batch}"
        print(f"{case}: kept {kept:.0f}, returned {returned:.0f} img/s, ratio {kept / returned:.2f}")


if __name__ == "__main__":
    child(*sys.argv[1:]) if len(sys.argv) > 1 else main()
