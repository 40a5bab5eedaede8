"""What can be reached, and which credentials are there. Their values are never read into a finding."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import huggingface_hub.constants
import requests

from kit.doctor.finding import Finding

SECONDS = 3.0
"""A host that has not responded by then counts as out of reach."""


def targets() -> dict[str, tuple[str, str]]:
    """Name -> (address, what needs it)."""
    hub = os.environ.get("HF_ENDPOINT") or huggingface_hub.constants.ENDPOINT
    index = os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple/"
    return {
        "model hub": (hub, "pretrained = true in a recipe"),
        "package index": (index, "kit rehearse --level platform"),
        "Codabench": ("https://www.codabench.org", "kit upload to Codabench"),
        "Kaggle": ("https://www.kaggle.com", "kit upload to Kaggle"),
    }


def network() -> Iterator[Finding]:
    """Each host, asked at once; a refusal is named by its kind alone, as messages may hold addresses with passwords."""
    wanted = targets()
    with ThreadPoolExecutor(len(wanted)) as pool:
        reasons = dict(zip(wanted, pool.map(_unreachable, (address for address, _ in wanted.values()))))
    for name, (address, need) in wanted.items():
        host = urlsplit(address).hostname or "an address without a host"
        if reasons[name]:
            fix = "work offline: weights files in weights/, `kit rehearse --level run`, the platform's web page"
            yield Finding("network", name, f"{host} not reachable ({reasons[name]})", need, fix)
        else:
            yield Finding("network", name, f"{host} reachable")


def _unreachable(address: str) -> str:
    """Why nothing responds at the address; empty where something does, whatever the response."""
    try:
        requests.head(address, timeout=SECONDS, allow_redirects=False).close()
    except requests.RequestException as error:
        return type(error).__name__
    return ""


def credentials() -> Iterator[Finding]:
    """Whether tokens are set: yes or no, never what they are."""
    codabench = any(os.environ.get(name) for name in ("CODABENCH_TOKEN", "CODABENCH_PASSWORD"))
    yield _credential("Codabench token", codabench, "kit upload to Codabench", "export CODABENCH_TOKEN=...")
    kaggle = bool(os.environ.get("KAGGLE_KEY")) or (Path.home() / ".kaggle" / "kaggle.json").is_file()
    yield _credential("Kaggle key", kaggle, "kit upload to Kaggle", "put kaggle.json into ~/.kaggle")
    if shutil.which("kaggle") is None:
        yield Finding("features", "kaggle command", "not installed", "kit upload to Kaggle", "pip install kaggle")


def _credential(name: str, there: bool, need: str, fix: str) -> Finding:
    return Finding("features", name, "set") if there else Finding("features", name, "not set", need, fix)
