"""The choice among the runtimes that a platform allows, by measurement on this machine."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kit.artefact import read_json, sha256_bytes, write_json
from kit.errors import PackagingError
from kit.inference.model import IN_HALF, keep_freed_memory, load_runner
from kit.lock import temporary_folder
from kit.packaging.members import Member
from kit.packaging.runtime_files import Entries, Files, runtime_files
from kit.storage import exists

IMAGES = 64
"""Noise images that each recipe is timed on."""

AGREEMENT = 1e-2
"""Most that a runtime's logits may differ from the first's."""


def fastest(allowed: Sequence[str], members: Sequence[Member], remembered: Path) -> str:
    """The fastest of the runtimes `allowed` whose logits agree with the first's.

    One runtime alone is taken as it is. Those that cannot write these networks, or cannot run here, are
    passed over; PackagingError where none is left. What was measured once is kept in the file `remembered`,
    so that packing again gives the same zip.
    """
    if len(allowed) == 1:
        return allowed[0]
    key = sha256_bytes(json.dumps([allowed, [member.entry["sha256"] for member in members]]).encode())
    known = read_json(remembered, f"rm {remembered}, and the same command again") if exists(remembered) else {}
    if key not in known:
        known[key] = _measured(allowed, members)
        write_json(remembered, known)
    return str(known[key])


def _measured(allowed: Sequence[str], members: Sequence[Member]) -> str:
    timed: dict[str, tuple[float, np.ndarray]] = {}
    reasons: list[str] = []
    keep_freed_memory()  # as the submission does
    for runtime in allowed:
        try:
            timed[runtime] = _time(runtime, *runtime_files(runtime, members))
        except (PackagingError, ImportError) as error:
            reasons.append(f"{runtime}: {error}")
    if not timed:
        raise PackagingError("; ".join(reasons) or "the platform allows no runtime. Fix runtimes in its file")
    wanted = next(iter(timed.values()))[1]
    agreeing = [runtime for runtime, (_, logits) in timed.items() if np.abs(logits - wanted).max() <= AGREEMENT]
    return min(agreeing, key=lambda runtime: timed[runtime][0])


def _time(runtime: str, entries: Entries, files: Files) -> tuple[float, np.ndarray]:
    """Seconds for one network of every recipe, in bfloat16 where that is faster; their float32 logits side by side."""
    first = {entry["recipe"]: entry for entry in reversed(entries)}
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, 64, 64, 3), dtype=np.uint8)
    seconds, logits = 0.0, []
    with temporary_folder() as folder:
        for name, data in files.items():
            (folder / name).write_bytes(data)
        for entry in first.values():
            run = load_runner(entry, str(folder), runtime)
            taken = []
            for way in ({}, {"half": True}) if runtime in IN_HALF else ({},):
                run(images[:8], entry, **way)
                start = time.perf_counter()
                found = run(images, entry, **way)
                taken.append(time.perf_counter() - start)
                if not way:
                    logits.append(found.reshape(IMAGES, -1))
            seconds += min(taken)
    return seconds, np.concatenate(logits, axis=1)
