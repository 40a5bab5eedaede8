"""Submitting a file on Kaggle, through the command of its own package (the extra `kaggle`).

Credentials are that package's: $KAGGLE_USERNAME and $KAGGLE_KEY, or ~/.kaggle/kaggle.json; they are neither read nor
printed here.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from kit.echo import Echo
from kit.errors import UploadError
from kit.platforms.upload import check_report
from kit.secrets import masked

DONE = ("complete", "error")
INSTALL = 'Install it with what it imports: pip install "submission-kit[kaggle]" (or: pip install kaggle six)'
"""kaggle 2.2 imports six and does not require it."""


def kaggle(arguments: list[str]) -> str:
    """Standard output of the `kaggle` command; UploadError in its words otherwise."""
    command = shutil.which("kaggle")
    if command is None:
        raise UploadError(f"submitting on Kaggle needs its package. {INSTALL}")
    done = subprocess.run([command, *arguments], capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        if missing := re.search(r"No module named '([\w.]+)'", done.stderr):
            raise UploadError(
                f"the kaggle command cannot start: it imports {missing[1]}, which its package does not bring along. "
                f"{INSTALL}"
            )
        raise UploadError(
            masked(f"kaggle {' '.join(arguments[:2])}: {lines[-1] if lines else 'failed'}. Fix it and try again")
        )
    return done.stdout


def submissions(competition: str) -> list[dict[str, str]]:
    """The user's submissions, newest first: fileName, date, description, status, publicScore, privateScore."""
    text = kaggle(["competitions", "submissions", competition, "--csv"])
    start = text.find("fileName")
    return list(csv.DictReader(io.StringIO(text[start:]))) if start >= 0 else []


def submit(
    path: Path,
    competition: str,
    message: str,
    *,
    dry_run: bool = False,
    seconds: float = 3600.0,
    pause: float = 10.0,
    echo: Echo = print,
    taken: Callable[[], object] = lambda: None,
) -> dict[str, str]:
    """Hand a rehearsed file in and wait for its score; the submission as `submissions` gives it, empty for a dry run.

    `taken` is called as soon as Kaggle has the file.
    """
    if not path.is_file():
        raise UploadError(f"{path}: is not there. Make it: kit predict")
    check_report(path)
    before = len(submissions(competition))
    if dry_run:
        echo(f"dry run: {path.name} would be submitted to {competition} now ({before} submissions so far)")
        return {}
    kaggle(["competitions", "submit", competition, "-f", str(path), "-m", message])
    taken()
    end = time.monotonic() + seconds
    while True:
        found = submissions(competition)
        if len(found) > before and found[0]["status"].rpartition(".")[2].lower() in DONE:
            return found[0]
        if time.monotonic() > end:
            raise UploadError(f"{path.name} has no score after {seconds:.0f} s; look at the web page of {competition}")
        time.sleep(pause)
