"""Tokens and passwords taken out of what the kit says or keeps: messages, logs of servers, stack traces."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

HIDDEN = "***"
SHORTEST = 6
"""A shorter value is no secret, and would blot out words."""

NAMES = re.compile(r"(TOKEN|PASSWORD|PASSWD|SECRET|_KEY)$", re.IGNORECASE)
"""Variables of the environment that hold secrets: CODABENCH_TOKEN, KAGGLE_KEY, HF_TOKEN, PGPASSWORD."""

IN_ADDRESS = re.compile(r"(?<=://)([^\s/@:]*):\S+@(?=[^\s@]+)")
"""User and password of an address; the last @ ends the password, which may hold others."""

IN_QUERY = re.compile(r"(?i)([?&](?:[\w-]*(?:token|password|secret|signature|credential|key)|sig)=)[^\s&#'\"]+")
"""A secret among an address's parameters, as pre-signed ones have it."""

_REMEMBERED: set[str] = set()


def remember(secret: str) -> str:
    """The secret itself, taken out of texts from now on: for those that come from a keyring or a server."""
    _REMEMBERED.add(secret)
    return secret


def masked(text: str) -> str:
    """The text with every known secret, and every password in an address, as ***."""
    for secret in sorted(_known(), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = IN_ADDRESS.sub(rf"\1:{HIDDEN}@", text)
    return IN_QUERY.sub(rf"\1{HIDDEN}", text)


def _known() -> set[str]:
    found = {value for name, value in os.environ.items() if NAMES.search(name)}
    return {value for value in found | _REMEMBERED | set(_of_kaggle()) if len(value) >= SHORTEST}


def _of_kaggle() -> Iterator[str]:
    """The key in Kaggle's own file."""
    folder = os.environ.get("KAGGLE_CONFIG_DIR")
    path = (Path(folder) if folder else Path.home() / ".kaggle") / "kaggle.json"
    try:
        key = json.loads(path.read_text(encoding="utf-8"))["key"]
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        return
    if isinstance(key, str):
        yield key
