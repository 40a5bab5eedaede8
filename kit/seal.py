"""Digests inside of files: a changed byte is noticed before anything is made of it.

A file from before there were seals has none, and is taken as it is.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

KEY, MARK = "seal", "sha256:"
MAGIC = b"submission-kit sha256 "


def sealed(value: dict[str, Any]) -> dict[str, Any]:
    """JSON values with the digest of all of them as the last one."""
    bare = {key: one for key, one in value.items() if key != KEY}
    return bare | {KEY: _digest(bare)}


def unsealed(value: dict[str, Any]) -> dict[str, Any]:
    """The values without their digest; ValueError where it is not theirs."""
    if not value:
        return value
    key = next(reversed(value))
    seal = value[key]
    if not (isinstance(seal, str) and seal.startswith(MARK)) and key != KEY:
        return value
    rest = {name: one for name, one in value.items() if name != key}
    if key != KEY or seal != _digest(rest):
        raise ValueError("changed since it was written")
    return rest


def _digest(value: dict[str, Any]) -> str:
    text = json.dumps(value, separators=(",", ":"))
    return MARK + hashlib.sha256(text.encode()).hexdigest()


def framed(data: bytes) -> bytes:
    """Bytes behind a line with their digest."""
    return MAGIC + hashlib.sha256(data).hexdigest().encode() + b"\n" + data


def unframed(data: bytes, bare: bytes) -> bytes:
    """What was framed; ValueError where it is not what was framed.

    bare: how files of this kind began before there were frames.
    """
    if data.startswith(bare):
        return data
    rest = data[len(MAGIC) + 65 :]
    if data != framed(rest):
        raise ValueError("changed since it was written")
    return rest
