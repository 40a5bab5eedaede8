"""The code of a submission, read without being run: syntax, names, imports, entry point, traps."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pyflakes import checker, messages

from kit.config import PlatformConfig
from kit.errors import did_you_mean
from kit.rehearsal.checks import Check, failed, judge
from kit.rehearsal.traps import check_traps

MODULE_OF = {
    "pillow": "PIL",
    "scikit-learn": "sklearn",
    "opencv-python": "cv2",
    "opencv-python-headless": "cv2",
    "pyyaml": "yaml",
    "scikit-image": "skimage",
    "protobuf": "google",
}
"""Distributions whose import name is another."""

COMES_ALONG = {
    "tensorflow": ("keras", "numpy", "h5py", "absl", "google", "wrapt", "six"),
    "torch": ("sympy", "networkx", "jinja2", "filelock", "fsspec"),
    "timm": ("torchvision", "yaml", "huggingface_hub", "safetensors"),
    "onnxruntime": ("google", "flatbuffers", "sympy"),
    "scikit-learn": ("scipy", "joblib"),
    "pandas": ("dateutil", "pytz"),
}
"""Modules that a distribution brings."""


SOURCE_BYTES = 4 << 20
"""Longer files are data, and take minutes to parse."""


@dataclass(frozen=True)
class Source:
    """One Python file of a zip."""

    name: str
    text: str
    tree: ast.Module


def check_sources(files: Mapping[str, bytes], platform: PlatformConfig) -> list[Check]:
    """All checks of the Python files (name in the zip -> content)."""
    sources: list[Source] = []
    broken: list[str] = []
    version = (3, int(platform.python.split(".")[1]))
    for name, data in files.items():
        if name.endswith(".py"):
            text = data.decode("utf-8", "replace")
            try:
                if len(data) > SOURCE_BYTES:
                    raise ValueError(f"{len(data) / 1e6:.0f} MB of code, which nobody reads")
                sources.append(Source(name, text, ast.parse(text, name, feature_version=version)))
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                broken.append(f"{name}:{getattr(error, 'lineno', 0)}: {getattr(error, 'msg', error)}")
    wrong = f"not valid Python {platform.python}: {'; '.join(broken)}. Rewrite it for that version"
    figure = f"{len(sources)} files are Python {platform.python}"
    checks = [judge("code: syntax", not broken, figure if not broken else broken[0], wrong)]
    checks += [_names(sources), _imports(sources, platform)]
    model = next((source for source in sources if source.name == "model.py"), None)
    return (
        checks
        + ([_entry(model, platform)] if model else [])
        + check_traps({source.name: source.tree for source in sources}, set(files))
    )


def _names(sources: list[Source]) -> Check:
    """Names that nothing defines, as pyflakes finds them."""
    found = []
    for source in sources:
        try:
            remarks = checker.Checker(source.tree, source.name).messages
        except RecursionError:  # an expression of thousands of terms: whatever is in it, Python compiles it
            continue
        for message in remarks:
            if isinstance(message, (messages.UndefinedName, messages.UndefinedLocal)):
                found.append(f"{source.name}:{message.lineno} {message.message_args[0]}")
    wrong = f"undefined name: {', '.join(found[:5])}. Define or import it"
    return judge("code: names", not found, f"{len(found)} undefined", wrong)


def _imports(sources: list[Source], platform: PlatformConfig) -> Check:
    """Imports that every run makes, against the standard library, the zip and the platform's packages."""
    own = {source.name.split("/")[0].removesuffix(".py") for source in sources}
    known = available(platform) | own | set(sys.stdlib_module_names)
    missing = []
    for source in sources:
        for module, line in _certain_imports(source.tree.body):
            if module not in known:
                missing.append(f"{source.name}:{line} {module}{did_you_mean(module, known)}")
    packages = ", ".join(f"{name} {version}".strip() for name, version in platform.packages.items())
    wrong = f"missing package: {'; '.join(missing)}. The platform has {packages or 'the standard library alone'}"
    return judge("code: imports", not missing, f"{len(missing)} missing", wrong)


def available(platform: PlatformConfig) -> set[str]:
    """Top-level modules that the platform's packages bring."""
    modules = set()
    for name in platform.packages:
        modules.update({MODULE_OF.get(name.lower(), name.replace("-", "_")), *COMES_ALONG.get(name.lower(), ())})
    return modules


def _certain_imports(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    """Modules imported whenever a file is; those under try, if or in functions may never be."""
    for statement in body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield alias.name.partition(".")[0], statement.lineno
        elif isinstance(statement, ast.ImportFrom) and not statement.level and statement.module:
            yield statement.module.partition(".")[0], statement.lineno
        elif isinstance(statement, ast.ClassDef):
            yield from _certain_imports(statement.body)


def _entry(model: Source, platform: PlatformConfig) -> Check:
    """The class, its constructor and its `predict`."""
    named = {name for statement in model.tree.body for name in _bound(statement)}
    if platform.class_name not in named and "*" not in named:
        near = did_you_mean(platform.class_name, named)
        wrong = f"wrong class name: model.py must define {platform.class_name}.{near} Rename it"
        return failed("code: entry point", "missing", wrong, f"AttributeError: {platform.class_name}")
    kind = next((s for s in model.tree.body if isinstance(s, ast.ClassDef) and s.name == platform.class_name), None)
    problem = _signature_problem(kind, platform, model.tree) if kind else ""
    return judge("code: entry point", not problem, f"class {platform.class_name}", problem)


def _bound(statement: ast.stmt) -> Iterator[str]:
    """Names that a top-level statement defines."""
    if isinstance(statement, (ast.ClassDef, ast.FunctionDef)):
        yield statement.name
    elif isinstance(statement, ast.Assign):
        yield from (target.id for target in statement.targets if isinstance(target, ast.Name))
    elif isinstance(statement, (ast.Import, ast.ImportFrom)):
        yield from (alias.asname or alias.name for alias in statement.names)


def _signature_problem(kind: ast.ClassDef, platform: PlatformConfig, tree: ast.Module) -> str:
    wanted = platform.method
    given_later = any(isinstance(node, ast.Attribute) and node.attr == wanted and isinstance(node.ctx, ast.Store)
                      for node in ast.walk(tree))  # fmt: skip
    methods = {s.name: s for s in kind.body if isinstance(s, ast.FunctionDef)}
    given = 1 if platform.constructor else 0
    init, predict = methods.get("__init__"), methods.get(wanted)
    if init and not _takes(init, given):
        return f"wrong arguments: {kind.name}() is made with {given} arguments, and __init__ wants others"
    if predict is None and not kind.bases and not given_later:
        return f"{kind.name} has no method {wanted}.{did_you_mean(wanted, methods)} Add it"
    if predict and not _takes(predict, 1):
        return f"wrong arguments: {wanted} is called with X alone, and wants others"
    return ""


def _takes(function: ast.FunctionDef, count: int) -> bool:
    """Whether a method can be called with `count` positional arguments."""
    arguments = function.args
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in function.decorator_list)
    most = len(arguments.posonlyargs) + len(arguments.args) - (0 if static else 1)
    least = most - len(arguments.defaults)
    wanted = [default for default in arguments.kw_defaults if default is None]
    return least <= count and (count <= most or arguments.vararg is not None) and not wanted
