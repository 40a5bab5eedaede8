"""Versions, devices with measured speeds, disk and memory."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import torch

import kit
from kit.doctor.finding import Finding
from kit.nets.registry import build
from kit.rehearsal.environment import cache_folder
from kit.train.device import settle, usable_cores
from kit.workspace import Workspace

PACKAGES = ("torch", "torchvision", "timm", "numpy", "pandas", "scikit-learn", "albumentations", "optuna", "pillow")
MEASURED = 0.4
"""Seconds that each speed is measured for."""
SIDE, BATCH = 64, 16
NETWORK = ("kit/residual", {"width": 32, "depth": [1, 1, 1, 1], "stem": "half"})
"""The network of the recipe residual_64."""
LEAST_DISK, LEAST_MEMORY, LEAST_SHM = 5e9, 2e9, 60e6
"""Bytes below which a stage is likely to fail."""


def versions() -> Iterator[Finding]:
    """The kit, Python, the system and the packages that results depend on."""
    yield Finding("versions", "kit", kit.__version__)
    yield Finding("versions", "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for name in PACKAGES:
        yield Finding("versions", name, importlib.metadata.version(name))


def devices() -> Iterator[Finding]:
    """The processor and every GPU: what they are, and how fast they train a small network and multiply matrices."""
    cores = usable_cores()
    told = f"{cores} cores used of {psutil.cpu_count(logical=False) or cores}, {torch.get_num_threads()} threads"
    capability = torch.backends.cpu.get_cpu_capability()
    yield Finding("devices", "cpu", f"{told}, {capability}; {_speeds(torch.device('cpu'))}")
    for number in range(torch.cuda.device_count()):
        device = torch.device("cuda", number)
        free, total = torch.cuda.mem_get_info(device)
        name = f"{torch.cuda.get_device_name(device)}, {free / 1e9:.0f} of {total / 1e9:.0f} GB free"
        yield Finding("devices", f"cuda:{number}", f"{name}; {_speeds(device)}")


    if torch.backends.mps.is_available():
        memory = torch.mps.recommended_max_memory() / 1e9
        yield Finding("devices", "mps", f"{memory:.0f} GB of the machine's memory; {_speeds(torch.device('mps'))}")


def _speeds(device: torch.device) -> str:
    """A speed that cannot be measured is named as its error: a broken driver is what a doctor is for."""
    try:
        with torch.random.fork_rng():
            return f"trains {_training(device):,.0f} images/s of 64x64, {_gigaflops(device):,.0f} GFLOP/s in float32"
    except RuntimeError as error:
        return f"cannot compute: {str(error).splitlines()[0]}"


def _training(device: torch.device) -> float:
    net = build(NETWORK[0], 8, dict(NETWORK[1])).to(device).train()
    x = torch.rand(BATCH, 3, SIDE, SIDE, device=device)

    def step() -> None:
        net(x).float().square().mean().backward()
        net.zero_grad()

    return BATCH / _seconds(step, device)


def _gigaflops(device: torch.device) -> float:
    side = 512 if device.type == "cpu" else 2048
    a = torch.rand(side, side, device=device)
    return 2 * side**3 / _seconds(lambda: a @ a, device) / 1e9


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the fastest call, after one that is not counted."""
    best, ends = float("inf"), time.perf_counter() + MEASURED
    work()
    while best == float("inf") or time.perf_counter() < ends:
        settle(device)
        start = time.perf_counter()
        work()
        settle(device)
        best = min(best, time.perf_counter() - start)
    return best


def space(workspace: Workspace) -> Iterator[Finding]:
    """Free disk where the kit writes, and free memory."""
    places = {"working folder": workspace.root, "temporary files": Path(tempfile.gettempdir())}
    places["environments"] = cache_folder()
    for name, path in places.items():
        free = shutil.disk_usage(_existing(path)).free
        short = f"little room in {path}" if free < LEAST_DISK else ""
        yield Finding("space", name, f"{free / 1e9:,.1f} GB free", short, "free some disk" if short else "")
    memory = psutil.virtual_memory()
    short = "training in memory" if memory.available < LEAST_MEMORY else ""
    value = f"{memory.available / 1e9:,.1f} of {memory.total / 1e9:,.1f} GB free"
    yield Finding("space", "memory", value, short, "end other programs" if short else "")
    shared = Path("/dev/shm")
    if shared.is_dir():
        free = shutil.disk_usage(shared).free
        short = "several fits at once (--workers)" if free < LEAST_SHM else ""
        fix = "docker run --shm-size 1g" if short else ""
        yield Finding("space", "/dev/shm", f"{free / 1e6:,.0f} MB free", short, fix)


def _existing(path: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(one for one in (path.resolve(), *path.resolve().parents) if one.exists())
