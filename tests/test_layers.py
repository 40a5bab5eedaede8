"""Stages meet at files: a module imports what lies below it, never what lies above."""

from __future__ import annotations

import ast
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from kit.workspace import PROJECT

GROUND = (
    *("errors", "echo", "lock", "seal", "array_file", "secrets", "artefact", "config", "workspace", "table"),
    *("made_from", "metrics", "storage"),
)
"""May be imported by all, and import each other alone."""
SHIPPED = "inference"
"""Runs on the platform and in every stage's scoring: imports nothing of the kit, and may be imported by all."""
LAYERS = (
    ("shifts", "data"),
    ("nets", "situation"),
    ("train",),
    ("oof_store",),
    ("ensemble",),
    ("packaging",),
    ("rehearsal",),
    ("platforms",),
)
TOP = "the rest: pipeline, report, command line"
KIT = PROJECT / "kit"


def module_name(path: Path) -> str:
    """kit/train/run.py -> train.run; kit/__init__.py -> ""."""
    parts = path.relative_to(KIT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


FILES = {module_name(path): path for path in sorted(KIT.rglob("*.py"))}
MODULES = sorted(FILES)


@cache
def imported(name: str) -> frozenset[str]:
    """Modules of the kit that a module imports when it runs, wherever in it."""
    tree = ast.parse(FILES[name].read_text())
    for node in ast.walk(tree):  # what only a type checker reads is not imported
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{name}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(known for path in found if (known := known_module(path)) is not None)


def known_module(path: str) -> str | None:
    """The module of the kit that `kit.train.run.Trainer` names; None for other packages."""
    root, _, rest = path.partition(".")
    if root != "kit":
        return None
    while rest not in FILES:
        rest = rest.rpartition(".")[0]
    return rest


def layer(name: str) -> int:
    """Place in the order of the flow; -1 for the ground."""
    first = name.split(".")[0]
    if first in (*GROUND, "", SHIPPED):
        return -1
    return next((place for place, members in enumerate(LAYERS) if first in members), len(LAYERS))


def test_every_layer_is_there() -> None:
    assert {layer(name) for name in MODULES} == set(range(-1, len(LAYERS) + 1))
    for first in (*GROUND, *(member for members in LAYERS for member in members)):
        assert any(name.split(".")[0] == first for name in MODULES), first


@pytest.mark.parametrize("name", MODULES)
def test_no_module_imports_a_higher_layer(name: str) -> None:
    higher = sorted(other for other in imported(name) if layer(other) > layer(name))
    assert higher == []


def test_the_ground_stands_on_itself() -> None:
    for name in GROUND:
        assert {other.split(".")[0] for other in imported(name)} <= set(GROUND)


def test_there_are_no_cycles() -> None:
    graph = {name: imported(name) - {name} for name in MODULES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def third_party(path: Path) -> set[str]:
    """Top-level packages that a file imports, the standard library left out."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names)


def test_what_ships_imports_nothing_of_the_kit() -> None:
    shipped = [name for name in MODULES if name.split(".")[0] == SHIPPED]
    assert f"{SHIPPED}.model" in shipped
    for name in shipped:
        assert imported(name) <= set(shipped), name


def test_network_files_travel_alone() -> None:
    from kit.nets.registry import OWN, describe

    files = {file for name in OWN for file in describe(name).files}
    assert files
    for file in files:
        allowed = {"torch", "timm"} if file in ("hybrid.py", "grafted.py") else {"torch"}
        assert third_party(KIT / "nets" / file) <= allowed, file


def test_no_module_is_a_drawer_for_everything() -> None:
    assert not [name for name in MODULES if name.split(".")[-1] in ("utils", "util", "helpers", "misc", "common")]
