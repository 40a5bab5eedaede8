"""What the kit does on a GPU, in nine minutes: scores, speeds, a real run, predictions.

    python benchmarks/gpu.py --data training_set.npz --weights DIR          on a machine with a GPU
    python benchmarks/gpu.py --tiny                                         the same in a few seconds, on any machine

It needs no network. Packages that the machine lacks are carried as wheels in a folder (`--wheels DIR`), which is put
together elsewhere for that machine's Python, and which pip installs beside the results, not into the system:

    pip download --no-deps --only-binary=:all: --python-version 3.12 --platform manylinux_2_28_x86_64 \\
        --platform manylinux2014_x86_64 -d DIR albumentations==2.0.8 albucore==0.0.24 ...

What is missing is named at the start, before any time is spent. Every part runs in a process of its own and is
stopped at its minutes, so that a slow one costs itself alone; each writes its table after every row to
`--out`/PART.json. `--only speed,toy` runs some of the parts; the last line of each table says whether it is whole.

    toy      1 min    a small contest: scores as on the CPU, a fit that is stopped and resumed, several fits at once
    speed    2 min    images per second: the kit's whole step, the bare step, a DataLoader loop; compiled, too
    run      4 min    make_submission.py within a budget of minutes, on real data
    predict  1 min    the zip of that run: on the GPU, on the CPU, and the obvious way
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

HERE = Path(__file__).resolve().parent
MINUTES = {"toy": 1.0, "speed": 2.0, "run": 4.3, "predict": 1.0}

def install(wheels: Path, site: Path) -> None:
    """Puts the wheels of a folder into `site`; all of them, as they are."""
    found = sorted(str(path) for path in wheels.glob("*.whl"))
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-compile", "--upgrade"]
    subprocess.run([*command, "--target", str(site), *found], check=True)


def missing(site: Path) -> list[str]:
    """Packages that this machine lacks: of the kit's requirements, and of what those require here."""
    sys.path.insert(0, str(site))
    setup = ConfigParser()
    setup.read(HERE.parent / "setup.cfg")
    waiting = [Requirement(line) for line in setup["options"]["install_requires"].split("\n") if line]
    seen: dict[str, bool] = {}
    while waiting:
        wanted = waiting.pop()
        if wanted.name.lower() in seen or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        try:
            needs = metadata.requires(wanted.name) or []
            seen[wanted.name.lower()] = True
        except metadata.PackageNotFoundError:
            needs, seen[wanted.name.lower()] = [], False
        waiting += map(Requirement, needs)
    return sorted(name for name, here in seen.items() if not here)


def run_part(name: str, given: argparse.Namespace, site: Path) -> None:
    """One part in a process group of its own, ended with all that it started when its minutes are over."""
    paths = [str(HERE.parent), str(HERE), str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "NO_ALBUMENTATIONS_UPDATE": "1"}
    if given.weights:
        env["KIT_WEIGHTS"] = str(given.weights.resolve())
    command = [sys.executable, str(HERE / "gpu.py"), "--part", name, "--out", str(given.out)]
    command += ["--tiny"] if given.tiny else []
    command += ["--data", str(given.data.resolve())] if given.data else []
    command += ["--contest", given.contest, "--recipes", given.recipes, "--budget", str(given.budget)]
    started, limit = time.monotonic(), 60 * MINUTES[name] * given.stretch
    with (given.out / f"{name}.log").open("w") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    how = "cut off" if process.returncode < 0 else f"exit code {process.returncode}"
    print(f"{name}: {time.monotonic() - started:.0f} s of {limit:.0f}, {how}", flush=True)
    if process.returncode:
        print("".join((given.out / f"{name}.log").read_text().splitlines(True)[-12:]), flush=True)


def show(out: Path) -> None:
    """The tables that are there."""
    for name in MINUTES:
        path = out / f"{name}.json"
        if not path.exists():
            print(f"\n{name}: nothing was measured")
            continue
        table = json.loads(path.read_text())
        print(f"\n{name}{'' if table['whole'] else ' (not whole)'}: {table['machine']}")
        for row in table["rows"]:
            print("  " + ", ".join(f"{key} {_shown(value)}" for key, value in row.items()))


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def part(name: str, given: argparse.Namespace) -> None:
    """Measures one part, in this process."""
    from gpu_results import Results
    from gpu_speed import speed
    from gpu_toy import toy
    from gpu_zip import predict, run

    results = Results(given.out / f"{name}.json")
    {"toy": toy, "speed": speed, "run": run, "predict": predict}[name](results, given)
    results.end()


def main() -> None:
    """Runs the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="training data of the contest, for the parts run and predict")
    parser.add_argument("--contest", default="an2dl2024")
    parser.add_argument("--recipes", default="mobilenetv2_96,trunk_transformer_96,residual_64,residual_group_64")
    parser.add_argument("--budget", type=float, default=4.0, help="minutes of the real run")
    parser.add_argument("--weights", type=Path, help="folder of pretrained weights")
    parser.add_argument("--wheels", type=Path, help="folder of wheels that this machine lacks")
    parser.add_argument("--out", type=Path, default=Path("gpu-bench"))
    parser.add_argument("--only", default=",".join(MINUTES), help="parts, comma-separated")
    parser.add_argument("--stretch", type=float, default=1.0, help="times the minutes of every part")
    parser.add_argument("--tiny", action="store_true", help="a try of everything, which measures nothing")
    parser.add_argument("--part", choices=MINUTES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.out = given.out.resolve()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.part:
        part(given.part, given)
        return
    site = given.out / "site"
    if given.wheels:
        install(given.wheels, site)
    if lacking := missing(site):
        sys.exit(f"Python {platform.python_version()} lacks {', '.join(lacking)}. Carry wheels: --wheels DIR")
    for name in given.only.split(","):
        if name in ("run", "predict") and not (given.data or given.tiny):
            print(f"{name}: left out, as there is no --data")
            continue
        run_part(name, given, site)
    show(given.out)


if __name__ == "__main__":
    main()
