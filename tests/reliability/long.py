"""The long run of the harness: hundreds of deaths, every write on a full disk, hundreds of fits and trials.

python tests/reliability/long.py [--part kill|full|soak|all] [--chains 0:20]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", default="0:20", help="chains of deaths, from the first to behind the last")
    parser.add_argument("--part", choices=("kill", "full", "soak", "all"), default="all")
    given = parser.parse_args()
    parts = {
        "kill": ({"KIT_CHAINS": given.chains}, ["-m", "slow", str(HERE / "test_kill_anywhere.py")]),
        "full": ({"KIT_FULL_STRIDE": "1"}, ["-m", "slow or not slow", str(HERE / "test_full_disk.py")]),
        "soak": ({"KIT_SOAK": "1"}, [str(HERE / "test_soak.py")]),
    }
    wanted = list(parts) if given.part == "all" else [given.part]
    codes = []
    for name in wanted:
        more, arguments = parts[name]
        command = [sys.executable, "-m", "pytest", "-rA", "--durations=5", *arguments]
        codes.append(subprocess.run(command, env=os.environ | more, cwd=HERE.parent.parent, check=False).returncode)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
