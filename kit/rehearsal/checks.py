"""A check of a rehearsal, and what an error inside a submission really means."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.errors import did_you_mean

NO_SCORES = "Could not find scores file"
"""What Codabench shows when the prediction run wrote nothing: a crash there does not fail the submission."""

LEFT_OUT = "left out"
"""How the figure of a check begins that there was no time for."""


@dataclass(frozen=True)
class Check:
    """One thing that is tried with a submission."""

    name: str
    passed: bool
    figure: str
    """What was measured or seen."""
    wrong: str = ""
    """What is really wrong, and what to do; empty where it passed."""
    shown: str = ""
    """What the platform would have shown."""


def passed(name: str, figure: str) -> Check:
    """A check that holds."""
    return Check(name, True, figure)


def failed(name: str, figure: str, wrong: str, shown: str = NO_SCORES) -> Check:
    """A check that does not hold."""
    return Check(name, False, figure, wrong, shown)


def judge(name: str, holds: bool, figure: str, wrong: str, shown: str = NO_SCORES) -> Check:
    """`passed` or `failed`."""
    return passed(name, figure) if holds else failed(name, figure, wrong, shown)


@dataclass(frozen=True)
class Surroundings:
    """What an explanation may refer to: the files of the zip, the platform's class and packages."""

    files: Sequence[str]
    class_name: str
    packages: Sequence[str]


def explain(error: Mapping[str, Any], around: Surroundings) -> tuple[str, str]:
    """A short name of an error that a submission raised, and what it really means."""
    kind, message = error["error"], error["message"]
    for pattern, name, meaning in _MEANINGS:
        if re.search(pattern, f"{kind}: {message}", re.DOTALL):
            return name, meaning
    if kind in ("ModuleNotFoundError", "ImportError"):
        return _missing_import(message, around)
    if kind == "AttributeError" and "module 'model' has no attribute" in message:
        return _missing_class(around)
    if kind in ("FileNotFoundError", "NotADirectoryError", "OSError", "PermissionError"):
        return _missing_file(message, around)
    return f"raises {kind}", f"{kind}: {message}. Fix it at {_last_line(error)}"


_MEANINGS = (
    (r"^SystemExit", "sys.exit", "it ends the process (sys.exit or exit), so nothing is written. Raise an error"),
    (r"^NameError|^UnboundLocalError", "undefined name", "it uses a name that nothing defines. Define or import it"),
    (
        r"^TypeError.*(unexpected keyword|positional argument|missing \d+ required)",
        "wrong arguments",
        "a call does not fit the function: a wrong keyword, or arguments that the platform does not pass",
    ),
    (
        r"CUDA|cuda|[Nn]vidia driver|HIP GPU",
        "CUDA tensor",
        "it needs a GPU, and the worker has none. Load with map_location='cpu' and drop .cuda()",
    ),
    (
        r"unreachable|urlopen|getaddrinfo|Max retries|ConnectionError|huggingface\.co|LocalEntryNotFound|"
        r"resolve|offline mode",
        "download",
        "it downloads at run time, and the network is off. Ship the file; create networks with pretrained=False",
    ),
    (r"^Died", "process died", "the process ended inside the call: killed for memory, or crashed in native code"),
    (r"^NeverReturns", "never returns", "one image alone was not predicted in time: a loop without an end, or a wait "
     "for what never comes. Predict one image by hand"),
    (r"^MemoryError|[Cc]an't allocate memory|std::bad_alloc", "too much memory", "it asks for too much memory. "
     "Predict in batches and make views one at a time"),
    (r"bus error|shared memory|/dev/shm|DataLoader worker", "spawns workers", "DataLoader workers need shared memory, "
     "and /dev/shm is small. Use num_workers=0"),
    (r"Read-only file system", "writes beside itself", "it writes into its own folder. Keep results in memory"),
    (
        r"[Ww]eights only load failed|UnpicklingError|Can't get attribute",
        "pickled class",
        "a pickle needs a class that is not there. Save plain tensors (a state_dict, safetensors)",
    ),
    (
        r"^IndexError: list index out of range.*argv|argv",
        "reads argv",
        "it reads the command line, which is the ingestion program's. Use defaults",
    ),
)  # fmt: skip


def _missing_import(message: str, around: Surroundings) -> tuple[str, str]:
    found = re.search(r"No module named '([\w.]+)'", message)
    if not found:
        return "broken import", f"an import fails: {message}. Import only what the platform's versions have"
    module = found[1].partition(".")[0]
    beside = [name for name in around.files if name.split("/")[-1] in (f"{module}.py", module)]
    if beside:
        return "broken import", f"{module} lies at {beside[0]} in the zip, where no import finds it. Put it at the root"
    here = ", ".join(around.packages) or "none"
    return "missing package", (
        f"the platform has no {module} (it has: {here}).{did_you_mean(module, around.packages)} "
        f"Choose another runtime, or ship what is needed"
    )


def _missing_class(around: Surroundings) -> tuple[str, str]:
    return "wrong class name", f"model.py must define class {around.class_name}, and does not. Rename it"


def _missing_file(message: str, around: Surroundings) -> tuple[str, str]:
    found = re.search(r"'([^']+)'", message)
    name = found[1].replace("\\", "/").split("/")[-1] if found else ""
    if any(file.split("/")[-1] == name for file in around.files):
        return "depends on working directory", (
            f"{name} is in the zip, but it is opened elsewhere: the working directory is the ingestion program's. "
            f"Build the path from os.path.dirname(__file__)"
        )
    near = did_you_mean(name, [file.split("/")[-1] for file in around.files])
    return "missing file", f"{found[1] if found else message} is not there, nor in the zip.{near} Pack it"


def _last_line(error: Mapping[str, Any]) -> str:
    lines = [line.strip() for line in error.get("traceback", "").splitlines() if "ingested_program" in line]
    return lines[-1].partition(", in ")[0] if lines else "its last line"
