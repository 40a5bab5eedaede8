"""Optional packages, weights and the sandbox: what each is for, and the command that gets it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from kit.config import list_names, load_platform, load_recipe
from kit.doctor.finding import Finding
from kit.errors import KitError
from kit.nets.weights.needs import library_names
from kit.nets.weights.packages import EXTRA, PACKAGES
from kit.nets.weights.search import find_weights, locate
from kit.rehearsal import isolation
from kit.rehearsal.environment import MARKER, environment_folder
from kit.rehearsal.interpreter import missing_packages
from kit.situation.recipes import STARTING

OPTIONAL = (
    ("onnx", "packing for ONNX", "pip install -e '.[onnx]'"),
    ("onnxruntime", "packing for ONNX", "pip install -e '.[onnx]'"),
    ("captum", "where networks looked (kit explain, the page)", "pip install -e '.[explain]'"),
    ("pyarrow", "data in parquet files", "pip install -e '.[parquet]'"),
    ("h5py", "data in HDF5 files", "pip install -e '.[hdf5]'"),
    ("ray", "training on a cluster (--cluster)", "pip install -e '.[cluster]'"),
    ("psycopg", "sweeps of several machines (--storage postgresql+psycopg://)", "pip install -e '.[postgres]'"),
    ("optuna_dashboard", "a live view of a sweep", "pip install -e '.[dashboard]'"),
    ("keyring", "tokens in the system's keyring", "pip install -e '.[keyring]'"),
    ("medmnist", "downloading MedMNIST by name", "pip install medmnist"),
    ("ipywidgets", "progress bars in notebooks", "pip install ipywidgets"),
)
"""Module, what it is for, and the command that installs it."""


def optional() -> Iterator[Finding]:
    """Packages that only some features need."""
    for module, need, command in OPTIONAL:
        if importlib.util.find_spec(module) is not None:
            yield Finding("features", module, "installed")
        else:
            yield Finding("features", module, "not installed", need, command)


def weights() -> Iterator[Finding]:
    """Networks and files that recipes take weights from: those here, and those that are missing. No hub is asked.

    Of the kit's networks that no contest starts with unasked, the missing ones are one line.
    """
    others: dict[str, list[str]] = {}
    for name, recipes in sorted(_wanted().items()):
        if (place := _place(name)) is not None:
            yield Finding("weights", name, place)
        elif "/" in name and not set(recipes) & set(STARTING):
            others[name] = recipes
        else:
            need = f"{len(recipes)} recipes ({', '.join(recipes[:3])}{', ...' if len(recipes) > 3 else ''})"
            packed = PACKAGES.get(name.split("/")[-1])
            yield Finding("weights", name, "not here", need, EXTRA if packed else _fetching(recipes[0]))
    if others:
        said = f"not here: {', '.join(name.split('/')[-1] for name in others)}"
        need = f"{len(set().union(*others.values()))} recipes that are trained where asked for"
        yield Finding("weights", f"{len(others)} others", said, need, _fetching("RECIPE"))


def _place(name: str) -> str | None:
    """Where the weights of a library's network, or the file `name`, lie."""
    try:
        found = locate(name, ask_hub=False) if "/" in name else None
        return str(found.path or found.where) if found else str(find_weights(name))
    except KitError:
        return None


def _fetching(recipe: str) -> str:
    return f"kit weights {recipe} --fetch weights"


def _wanted() -> dict[str, list[str]]:
    """Weights by name -> the recipes that start from them."""
    wanted: dict[str, list[str]] = {}
    for recipe in list_names("recipes"):
        try:
            net = load_recipe(recipe).net
        except KitError:  # a broken file is for the command that uses it to report
            continue
        names = library_names(net) if net.pretrained is True else [net.pretrained] if net.pretrained else []
        for name in names:
            wanted.setdefault(name, []).append(recipe)
    return wanted


def rehearsal() -> Iterator[Finding]:
    """How submissions are isolated here, and which platforms' environments are made."""
    kind = isolation.best()
    if kind in isolation.OWN_ROOT:
        fenced = "with" if isolation.filters() else "without"
        yield Finding("rehearsal", "sandbox", f"{kind}, {fenced} a filter of system calls: no network, no files "
                      "but the submission's")  # fmt: skip
    else:
        need = f"isolation from hostile zips: {isolation.warning()}"
        yield Finding("rehearsal", "sandbox", kind, need, isolation.GET)
    for name in list_names("platforms"):
        try:
            platform = load_platform(name)
        except KitError:
            continue
        if platform.artefact == "predictions":
            continue
        if (environment_folder(platform) / MARKER).is_file():
            yield Finding("rehearsal", name, "environment made")
        elif not missing_packages(platform):
            yield Finding("rehearsal", name, "in this Python")
        else:
            yield Finding("rehearsal", name, "environment made on the first `kit rehearse --level platform`")
