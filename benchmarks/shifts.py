"""Speed of the shift battery: every operator at one severity over 12,000 images of 96x96.

    python benchmarks/shifts.py                  (bar: 60 seconds on 2 cores)
    python benchmarks/shifts.py --rows 2000      (a quick look; the total is scaled to 12,000)

Exits 1 when the bar is missed.
"""

from __future__ import annotations

import argparse
import sys
import time

import cv2
import numpy as np

from kit.config import ShiftConfig
from kit.shifts.battery import Battery

ROWS, SIDE, BAR_SECONDS, THREADS = 12_000, 96, 60.0, 2


def drawn_images(rows: int) -> np.ndarray:
    """Smooth shapes with grain, (rows, 96, 96, 3) uint8: as hard to encode and filter as photographs."""
    rng = np.random.default_rng(0)
    kinds = []
    for _ in range(64):
        coarse = rng.integers(30, 226, (8, 8, 3)).astype(np.float32)
        smooth = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        kinds.append((smooth + rng.normal(0, 4, smooth.shape)).clip(0, 255).astype(np.uint8))
    return np.stack(kinds)[np.arange(rows) % len(kinds)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--severity", type=int, default=3, choices=range(1, 6))
    parser.add_argument("--threads", type=int, default=THREADS)
    options = parser.parse_args()
    battery = Battery.from_config(ShiftConfig(severities=(options.severity,)))
    images, ids = drawn_images(options.rows), np.char.mod("%06d", np.arange(options.rows))
    total = 0.0
    for index, name in enumerate(battery.names):
        start = time.perf_counter()
        battery.apply(images, ids, np.full(len(ids), index), options.threads)
        seconds = time.perf_counter() - start
        total += seconds
        print(f"{name:32s} {seconds / len(ids) * 1e6:8.1f} microseconds an image", flush=True)
    total *= ROWS / options.rows
    print(f"{len(battery.names)} operators over {ROWS} images, {options.threads} threads: {total:.1f} s")
    return int(total > BAR_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
