"""What a zip carries so that its networks run: in timm, in torch alone, in onnxruntime, or in TensorFlow."""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit import nets
from kit.artefact import sha256_bytes
from kit.errors import PackagingError
from kit.inference import runtimes
from kit.nets.names import file_of
from kit.packaging.members import Member

if TYPE_CHECKING:
    from kit.packaging.graph import Graph

Files = dict[str, bytes]
Entries = list[dict[str, Any]]

RUNTIMES = Path(runtimes.__file__).parent
NETS = Path(nets.__file__).parent
ADAPT = RUNTIMES.parent / "adapt.py"
GRAPHS: dict[str, Graph] = {}
"""By network and size: all folds, precisions and runtimes of a recipe share one, and tracing it takes seconds."""


def runtime_files(runtime: str, members: Sequence[Member]) -> tuple[Entries, Files]:
    """Manifest entries of all members and the files they name, weights included; PackagingError says what cannot be."""
    return WRITERS[runtime](members)


def _timm(members: Sequence[Member]) -> tuple[Entries, Files]:
    """Weights as they were trained; networks are built by timm, or by the kit's file that defines them."""
    files = {member.entry["weights"]: member.weights for member in members}
    for member in members:
        if name := file_of(member.spec["net"]["name"]):
            files[name] = (NETS / name).read_bytes()
    if any("adapt" in member.entry for member in members):
        files[ADAPT.name] = ADAPT.read_bytes()
    return [member.entry for member in members], files


def _graphs(runtime: str, members: Sequence[Member]) -> tuple[Entries, Files]:
    """Weights as they were trained, and one graph a recipe."""
    files = {name: (RUNTIMES / name).read_bytes() for name in (f"{runtime}_runtime.py", "graph_nodes.py")}
    known = supported_operators(RUNTIMES / f"{runtime}_runtime.py") if runtime == "tensorflow" else None
    shared: dict[str, dict[str, str]] = {}
    for member in members:
        recipe = member.entry["recipe"]
        if recipe not in shared:
            shared[recipe] = _write_graph(member, recipe, known, files)
        files[member.entry["weights"]] = member.weights
    return [member.entry | shared[member.entry["recipe"]] for member in members], files


def _write_graph(member: Member, recipe: str, known: set[str] | None, files: Files) -> dict[str, str]:
    """Add the graph of a recipe to `files`; what its members' entries have to name."""
    import safetensors.torch  # torch, which a zip of timm's networks needs not

    graph = _graph(member, recipe)
    missing = sorted({node[1] for node in graph.description["nodes"]} - known) if known is not None else []
    if missing:
        raise PackagingError(
            f"{recipe}: runtime tensorflow lacks {', '.join(missing)} of its network. Blend another network"
        )
    named = {"graph": f"{recipe}.graph.json"}
    files[named["graph"]] = json.dumps(graph.description, separators=(",", ":")).encode()
    if graph.constants:
        named["constants"] = f"{recipe}.constants.safetensors"
        files[named["constants"]] = safetensors.torch.save(graph.constants)
    return named


def _graph(member: Member, recipe: str) -> Graph:
    """The graph of a member's network, made once in this process."""
    key = json.dumps([member.spec["net"], member.spec["size"]], sort_keys=True)
    if key not in GRAPHS:
        from kit.packaging.graph import export_graph  # torch's compiler

        GRAPHS[key] = export_graph(member.network(), member.spec["size"], recipe)
    return GRAPHS[key]


def supported_operators(path: Path) -> set[str]:
    """Operators that a runtime file knows, read off its table without importing what it needs."""
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == "OPERATORS":
            assert isinstance(statement.value, ast.Dict)
            return {str(ast.literal_eval(key)) for key in statement.value.keys if key is not None}
    raise AssertionError(f"{path} has no OPERATORS")


def _onnx(members: Sequence[Member]) -> tuple[Entries, Files]:
    """One ONNX file a network, its weights in half precision."""
    from kit.packaging.onnx_file import onnx_bytes

    files = {"onnx_runtime.py": (RUNTIMES / "onnx_runtime.py").read_bytes()}
    entries = []
    for member in members:
        net = member.network()
        eight = member.entry.get("precision") == "int8"
        data = onnx_bytes(net, member.spec["size"], member.entry["recipe"], eight)
        name = member.entry["weights"].replace(".safetensors", ".onnx")
        files[name] = data
        entries.append(member.entry | {"weights": name, "sha256": sha256_bytes(data)})
    return entries, files


WRITERS: dict[str, Callable[[Sequence[Member]], tuple[Entries, Files]]] = {
    "timm": _timm,
    "torch": functools.partial(_graphs, "torch"),
    "tensorflow": functools.partial(_graphs, "tensorflow"),
    "onnx": _onnx,
}
