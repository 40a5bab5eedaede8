"""Environments of platforms: a Python of the right version with exactly the profile's packages, made once,
kept.

They lie in the user's cache ($KIT_CACHE, else ~/.cache/submission-kit), outside of any contest: they are
large, and safe to delete.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from kit.artefact import read_json, write_json
from kit.config import PlatformConfig
from kit.echo import Echo
from kit.errors import RehearsalError
from kit.lock import alone, temporary_folder
from kit.rehearsal.sandbox import Interpreter

MARKER = "complete.json"


def cache_folder() -> Path:
    """Where environments lie."""
    given = os.environ.get("KIT_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return (Path(given) if given else Path.home() / ".cache") / "submission-kit"


def requirements(platform: PlatformConfig) -> list[str]:
    """The profile's packages as pip takes them: "2.17.0" is exact, "" any, ">=2,<3" as it is."""
    return [
        name + (f"=={version}" if version[:1].isdigit() else version) for name, version in platform.packages.items()
    ]


def environment_folder(platform: PlatformConfig) -> Path:
    """The folder of a profile's environment; another list of packages is another folder."""
    key = json.dumps([platform.python, sorted(requirements(platform))])
    return cache_folder() / f"{platform.name}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def platform_python(platform: PlatformConfig, echo: Echo = print) -> Interpreter:
    """The Python of a profile's environment, made where it is missing; RehearsalError when it cannot be made."""
    folder = environment_folder(platform)
    if not (folder / MARKER).is_file():
        waits = f"another process makes an environment in {folder}; waiting for its end"
        with alone(folder.parent / f".{folder.name}.lock", lambda: echo(waits)):
            if not (folder / MARKER).is_file():
                _create(folder, platform, echo)
    base = Path(read_json(folder / MARKER, rerun=f"rm -r {folder}, then the same command")["base"])
    return Interpreter(folder / "bin" / "python", (folder, base))


def _create(folder: Path, platform: PlatformConfig, echo: Echo) -> None:
    """Make the environment; its marker comes last, so that one cut short is made again.

    It takes its place when it is whole: pip may go on for a moment where this process is killed.
    """
    python = find_python(platform.python)
    wanted = requirements(platform)
    echo(f"making an environment with Python {platform.python} and {', '.join(wanted)} in {folder} (once)")
    with temporary_folder(folder.parent, f".{folder.name}-") as made:
        _run([str(python), "-m", "venv", str(made)], platform)
        inside = str(made / "bin" / "python")
        if wanted:
            _run([inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], platform)
        base = _run([inside, "-c", "import sys; print(sys.base_prefix)"], platform).strip()
        frozen = _run([inside, "-m", "pip", "freeze", "--disable-pip-version-check"], platform).split()
        write_json(made / MARKER, {"base": base, "packages": frozen})
        made.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


def _run(command: list[str], platform: PlatformConfig) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = "\n".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise RehearsalError(
            f"{platform.name}: its environment could not be made ({' '.join(command[:4])} ...): {reason}\n"
            f"Fix [packages] or python in the platform file, or see whether the package index can be reached."
        )
    return done.stdout


def find_python(version: str) -> Path:
    """A Python of that version ("3.10"); RehearsalError names the ways to get one."""
    for candidate in _candidates(version):
        probe = [str(candidate), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        try:
            done = subprocess.run(probe, capture_output=True, text=True, timeout=30)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.stdout.strip() == version:
            return candidate
    raise RehearsalError(
        f"a rehearsal in the platform's environment needs Python {version}, and none is here. Install it (uv python "
        f"install {version}, or pyenv install {version}), or rehearse with --level run"
    )


def _candidates(version: str) -> Iterator[Path]:
    """Places where a Python of that version may be, this one first."""
    if "{}.{}".format(*sys.version_info[:2]) == version:
        yield Path(sys.executable)
    found = shutil.which(f"python{version}")
    if found:
        yield Path(found)
    home = Path.home()
    for folder in (f".pyenv/versions/{version}.*", f".local/share/uv/python/cpython-{version}*"):
        yield from sorted(home.glob(f"{folder}/bin/python"))
