"""Pickles in a submission: which modules they need, read opcode by opcode, never loaded."""

from __future__ import annotations

import io
import pickletools
import sys
import zipfile
from collections.abc import Iterator, Mapping

from kit.packaging.archive import BROKEN
from kit.rehearsal.checks import Check, judge

SUFFIXES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".npy")


def check_pickles(files: Mapping[str, bytes], available: set[str]) -> Check:
    """Whether all pickles (in files by name) need only modules that are `available` or Python's own."""
    known = available | set(sys.stdlib_module_names) - {"__main__"}
    found, foreign = 0, []
    for name, data in files.items():
        if not name.endswith(SUFFIXES):
            continue
        for piece in _pickles(data):
            found += 1
            foreign += [f"{name} needs {module}" for module in _modules(piece) if module not in known]
    wrong = f"pickled class: {', '.join(sorted(set(foreign))[:4])}. Save plain tensors (state_dict, safetensors)"
    figure = foreign[0] if foreign else f"{found} found"
    return judge("files: pickles", not foreign, figure, wrong, "AttributeError: Can't get attribute")


def _pickles(data: bytes) -> Iterator[bytes]:
    """The pickles in a file: itself, those in a torch archive, or behind a numpy header."""
    if data[:2] == b"PK":
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                yield from [archive.read(name) for name in archive.namelist() if name.endswith(".pkl")]
        except BROKEN:  # no framework loads it either
            return
    elif data[:6] == b"\x93NUMPY":
        if b"'descr': '|O'" in data[:256]:
            yield data[data.index(b"\n") + 1 :]
    elif data[:1] in (b"\x80", b"(", b"c", b"]", b"}"):
        yield data


def _modules(pickle: bytes) -> Iterator[str]:
    """Top-level modules that a pickle would import; what cannot be read to its end is given as far as it goes."""
    strings: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(pickle):
            if opcode.name == "GLOBAL":
                yield str(argument).split(" ")[0].partition(".")[0]
            elif opcode.name == "STACK_GLOBAL" and len(strings) >= 2:
                yield strings[-2].partition(".")[0]
            elif "UNICODE" in opcode.name:
                strings.append(str(argument))
    except ValueError:
        return
