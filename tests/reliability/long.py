"""The long run of the harness: hundreds of deaths, every write on a full disk, hundreds of fits and trials, all probes.

python tests/reliability/long.py [--part kill|full|ill|soak|probes|all] [--chains 0:20] [-k EXPRESSION]

probes: as who starts this, then as a plain user, and each of them as in a container that refuses namespaces.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NOBODY = 65534
PLAIN = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all", "env"]
"""env: what setpriv itself starts is still found with the rights that it had."""
FORBIDDEN = [sys.executable, str(HERE / "forbidden.py")]
SLOW = ["-m", "slow or not slow"]
PARTS = ("kill", "full", "ill", "soak", "probes")

Run = tuple[dict[str, str], list[str], list[str]]
"""Environment, what goes before Python, arguments of pytest."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", default="0:20", help="chains of deaths, from the first to behind the last")
    parser.add_argument("--part", choices=(*PARTS, "all"), default="all")
    parser.add_argument("-k", default="", help="only tests of such names, as pytest has it")
    given = parser.parse_args()
    codes = []
    for part in PARTS if given.part == "all" else [given.part]:
        for more, before, arguments in runs(part, given.chains):
            print(f"== {part} {' '.join(before)}", flush=True)
            command = [*before, sys.executable, "-m", "pytest", "-rA", "--durations=5", *arguments]
            command += ["-k", given.k] if given.k else []
            codes.append(subprocess.run(command, env=os.environ | more, cwd=ROOT, check=False).returncode)
    return max(codes)


def runs(part: str, chains: str) -> Iterator[Run]:
    """The runs of pytest that a part consists of."""
    if part == "kill":
        yield {"KIT_CHAINS": chains}, [], ["-m", "slow", str(HERE / "test_kill_anywhere.py")]
    elif part == "full":
        yield {"KIT_FULL_STRIDE": "1"}, [], [*SLOW, str(HERE / "test_full_disk.py")]
    elif part == "ill":
        yield {"KIT_ILL_STRIDE": "1"}, [], [*SLOW, str(HERE / "test_ill_storage.py")]
    elif part == "soak":
        yield {"KIT_SOAK": "1"}, [], [str(HERE / "test_soak.py")]
    else:
        probes = str(HERE / "test_other_peoples_code.py")
        for before in ([], FORBIDDEN):
            yield {}, before, [probes]
        if os.geteuid() == 0:
            if subprocess.run([*PLAIN, sys.executable, "-c", ""], capture_output=True).returncode:
                sys.exit(f"a plain user cannot start {sys.executable}: run this by a Python outside of root's home")
            with tempfile.TemporaryDirectory() as home:
                shutil.chown(home, NOBODY, NOBODY)
                for before in ([], FORBIDDEN):
                    yield {"HOME": home, "TMPDIR": home}, [*PLAIN, *before], [probes, "-p", "no:cacheprovider"]


if __name__ == "__main__":
    sys.exit(main())
