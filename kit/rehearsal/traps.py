"""Known ways for a submission's code to break on a platform, seen in its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from kit.rehearsal.checks import Check, judge

Trap = tuple[str, str, Callable[[ast.AST, set[str]], bool]]


def check_traps(trees: Mapping[str, ast.Module], files: set[str]) -> list[Check]:
    """Known ways to break on the platform, each with the lines where it is seen.

    trees: Python files by name; files: names of all files of the zip.
    """
    checks = []
    for title, wrong, sees in TRAPS:
        lines = [
            f"{name}:{getattr(node, 'lineno', 0)}"
            for name, tree in trees.items()
            for node in ast.walk(tree)
            if sees(node, files)
        ]
        checks.append(judge(f"code: {title}", not lines, ", ".join(lines[:4]) or "none", wrong))
    return checks


def _dotted(node: ast.AST) -> str:
    """ "torch.hub.load" for such an expression; "" for others; ".cuda" for a method of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return ""


def _called(node: ast.AST) -> str:
    return _dotted(node.func) if isinstance(node, ast.Call) else ""


def _keyword(node: ast.AST, name: str) -> ast.expr | None:
    return next((k.value for k in node.keywords if k.arg == name), None) if isinstance(node, ast.Call) else None


def _constant(node: ast.AST | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _downloads(node: ast.AST, files: set[str]) -> bool:
    name = _called(node)
    if name.endswith(("hub.load", "hf_hub_download", "snapshot_download", "urlretrieve", "get_file", "urlopen")):
        return True
    if name in ("requests.get", "wget.download", "gdown.download") or name.endswith("load_state_dict_from_url"):
        return True
    return _constant(_keyword(node, "pretrained")) is True or _constant(_keyword(node, "weights")) == "imagenet"


def _cuda(node: ast.AST, files: set[str]) -> bool:
    if _called(node).endswith(".cuda") and not _called(node).startswith("torch.cuda"):
        return True
    if not isinstance(node, ast.Call):
        return False
    values = [*node.args, *(k.value for k in node.keywords if k.arg in ("device", "map_location"))]
    movers = (".to", "torch.device", "torch.load", ".zeros", ".ones", ".tensor")
    return _called(node).endswith(movers) and any(str(_constant(v)).startswith("cuda") for v in values)


READERS = ("open", ".load", "load_model", "load_file", "load_weights", ".InferenceSession", "read_csv")


def _relative(node: ast.AST, files: set[str]) -> bool:
    """A file of the zip opened by its bare name."""
    if not isinstance(node, ast.Call) or not node.args:
        return False
    value = _constant(node.args[0])
    return _called(node).endswith(READERS) and isinstance(value, str) and value.removeprefix("./") in files


def _absolute(node: ast.AST, files: set[str]) -> bool:
    value = _constant(node)
    homes = ("/home/", "/root/", "/Users/", "/content/", "/kaggle/", "/mnt/", "C:\\", "C:/", "/workspace/")
    return isinstance(value, str) and value.startswith(homes)


def _exits(node: ast.AST, files: set[str]) -> bool:
    return _called(node) in ("sys.exit", "exit", "quit", "os._exit", "os.abort")


def _command_line(node: ast.AST, files: set[str]) -> bool:
    return _dotted(node) == "sys.argv" or _called(node).endswith((".parse_args", "input"))


def _workers(node: ast.AST, files: set[str]) -> bool:
    count = _constant(_keyword(node, "num_workers"))
    pools = ("Pool", "ProcessPoolExecutor", "Process", "Popen", "system", "fork")
    return (isinstance(count, int) and count > 0) or _called(node).split(".")[-1] in pools


def _guesses_scale(node: ast.AST, files: set[str]) -> bool:
    """`X.max() > 1` and its kin."""
    if not isinstance(node, ast.Compare):
        return False
    sides = [node.left, *node.comparators]
    peaks = any(_called(side).endswith((".max", "np.max", ".amax", ".reduce_max")) for side in sides)
    return peaks and any(_constant(side) in (1, 1.0, 1.5, 2, 2.0) for side in sides)


TRAPS: tuple[Trap, ...] = (
    ("no download", "download at run time: the network is off. Ship the file; pretrained=False", _downloads),
    ("no GPU needed", "CUDA tensor: the worker has no GPU. Use map_location='cpu', drop .cuda()", _cuda),
    (
        "paths by __file__",
        "depends on working directory, which is the ingestion program's. Join with os.path.dirname(__file__)",
        _relative,
    ),
    ("no absolute paths", "absolute path of another machine. Join with os.path.dirname(__file__)", _absolute),
    ("no exit", "sys.exit ends the platform's process, so nothing is written. Raise an error", _exits),
    ("no command line", "reads argv, which is the ingestion program's. Use defaults", _command_line),
    ("no workers", "spawns workers or commands: /dev/shm is small. Use num_workers=0", _workers),
    ("no guessed scale", "the scale is guessed from the values, so dark images break. Divide by 255", _guesses_scale),
)
