"""The Python a rehearsal runs in: this one with the platform's other packages hidden."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

from kit.config import PlatformConfig
from kit.errors import RehearsalError
from kit.rehearsal.sandbox import Interpreter


def this_python(platform: PlatformConfig) -> Interpreter:
    """The running Python, hiding what the platform does not have; RehearsalError where this one lacks a package."""
    missing = missing_packages(platform)
    if missing:
        raise RehearsalError(
            f"{platform.name}: level run needs the platform's packages here, but {', '.join(missing)} is not "
            f"installed. Rehearse in an environment of its own: --level platform"
        )
    allowed = closure([*platform.packages, "numpy"])
    blocked = [
        module
        for module, owners in metadata.packages_distributions().items()
        if not any(normal(owner) in allowed for owner in owners)
    ]
    folders = dict.fromkeys(Path(prefix) for prefix in (sys.prefix, sys.base_prefix))
    return Interpreter(Path(sys.executable), tuple(folders), tuple(sorted({*blocked, "kit"})))


def missing_packages(platform: PlatformConfig) -> list[str]:
    """Packages of the platform that this Python does not have."""
    return [name for name in platform.packages if not _installed(name)]


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def normal(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(names: list[str]) -> set[str]:
    """Normalised names of these distributions and all they require here, extras left out."""
    found: set[str] = set()
    waiting = [normal(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found or not _installed(name):
            continue
        found.add(name)
        for requirement in metadata.requires(name) or []:
            if "extra ==" not in requirement:
                waiting.append(normal(re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0]))
    return found
