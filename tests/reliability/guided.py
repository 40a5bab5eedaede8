"""The same parsers under atheris, which sees what code an input reaches and keeps those that reach more.

pip install atheris; python tests/reliability/guided.py [--parser NAME] [--seconds 60]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LONGEST, SECONDS_A_CALL, MEMORY_MB = 65536, 10, 4096
DONE = re.compile(r"Done (\d+) runs in (\d+) second|stat::number_of_executed_units:\s*(\d+)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parser", help="one of test_bad_input.NAMES; all of them by default")
    parser.add_argument("--seconds", type=int, default=60, help="for each")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    given = parser.parse_args()
    sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]
    if given.inside:
        fuzz_forever(given.parser, given.seconds, Path(given.inside))
    from test_bad_input import NAMES

    return max(fuzz(name, given.seconds) for name in ([given.parser] if given.parser else NAMES))


def fuzz(name: str, seconds: int) -> int:
    """One parser in a process of its own, which the fuzzer ends; 1 where it found a fault."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, __file__, "--parser", name, "--seconds", str(seconds), "--inside", place]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, errors="replace")
        said = done.stdout + done.stderr
        found = DONE.search(said)
        print(f"{name}: {found.group(0) if found else 'cut short'}, exit code {done.returncode}", flush=True)
        if done.returncode:
            kept = [path.read_bytes()[:2000] for path in Path(place).glob("*-*") if path.is_file()]
            print(said[-6000:], *map(repr, kept), sep="\n", flush=True)
        return int(done.returncode != 0)


def fuzz_forever(name: str, seconds: int, place: Path) -> None:
    """Never returns: the fuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["kit"]):
        from conftest import write_toy
        from parsers import make_parsers

        from kit.ensemble.blend import blend
        from kit.oof_store import load_runs
        from kit.train.run import train_recipe
    (place / "store").mkdir()
    os.chdir(place / "store")
    toy = write_toy(place / "store")
    for recipe in ("tiny", "mini"):
        train_recipe(toy.contest(), toy.prepared(), toy.recipe(recipe), toy.workspace, lambda line: None)
    blend(load_runs(toy.workspace, "toy"), "best2").to_json(toy.root / "blend.json")
    one = make_parsers(toy, toy.root / "blend.json")[name]
    corpus = place / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(one.seeds):
        (corpus / f"seed{number}").write_bytes(seed)

    def once(data: bytes) -> None:
        try:
            one.parse(data)
        except one.allowed:
            return

    bounds = [f"-max_total_time={seconds}", f"-timeout={SECONDS_A_CALL}", f"-rss_limit_mb={MEMORY_MB}"]
    atheris.Setup([sys.argv[0], *bounds, f"-max_len={LONGEST}", f"-artifact_prefix={place}/", str(corpus)], once)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
