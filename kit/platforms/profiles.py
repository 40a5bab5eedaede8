"""Platform profiles in words: what each wants, has, and allows."""

from __future__ import annotations

from rich.text import Text

from kit.config import PlatformConfig, list_names, load_platform
from kit.rehearsal.environment import MARKER, environment_folder
from kit.table import Column, Grid


def overview() -> Grid:
    """All profiles, one a line."""
    columns = [
        Column("platform", number=False),
        Column("title", number=False, rank=2),
        Column("you submit", number=False),
        Column("networks run in", number=False, rank=1),
    ]
    rows: list[list[str | Text]] = []
    for name in list_names("platforms"):
        platform = load_platform(name)
        runtimes = ", ".join(platform.runtimes) if platform.artefact != "predictions" else "-"
        rows.append([name, platform.title, _artefact(platform), runtimes])
    return Grid(columns, rows, note="kit platforms NAME explains one")


def explain(platform: PlatformConfig) -> Grid:
    """One profile, every rule in words."""
    rows: list[list[str | Text]] = [[what, value] for what, value in _facts(platform).items()]
    columns = [Column("rule", number=False), Column("value", number=False)]
    return Grid(columns, rows, f"{platform.name}: {platform.title}")


def _artefact(platform: PlatformConfig) -> str:
    if platform.artefact == "code":
        return f"a zip with class {platform.class_name} in model.py"
    if platform.artefact == "notebook":
        return f"a notebook that writes {platform.predictions_file}"
    return (
        platform.predictions_file
        if platform.predictions_file.endswith(".csv")
        else f"a zip of {platform.predictions_file}"
    )


def _facts(platform: PlatformConfig) -> dict[str, str]:
    facts = {"you submit": _artefact(platform)}
    if platform.artefact == "code":
        given = "the submission's folder" if platform.constructor else "nothing"
        kind = "a TensorFlow tensor" if platform.input == "tensorflow" else "a numpy array"
        back = "a TensorFlow tensor of labels" if platform.output == "tensor" else "numpy integer labels (N,)"
        facts["entry point"] = f"{platform.class_name} is made with {given}; predict takes {kind}, returns {back}"
        facts["files"] = (
            f"model.py at the root, the rest in {platform.weights_folder}/" if platform.weights_folder else "flat"
        )
    if platform.marker:
        facts["marker"] = f"an empty file {platform.marker!r} beside model.py"
    if platform.artefact != "code":
        facts["columns"] = f"those of the sample; {platform.id_column}, {platform.label_column} without one"
        facts["submits"] = (
            "what the contest's metric takes" if platform.submits == "auto" else platform.submits
        ) + f" (labels by {'what the sample shows' if platform.label_form == 'auto' else platform.label_form})"
    if platform.artefact != "predictions":
        facts |= _limits(platform)
    facts["size"] = f"at most {platform.max_mb:,.0f} MB" if platform.max_mb else "no limit known"
    return facts


def _limits(platform: PlatformConfig) -> dict[str, str]:
    made = (environment_folder(platform) / MARKER).is_file()
    packages = ", ".join(f"{name} {version or '(any)'}" for name, version in platform.packages.items())
    return {
        "Python": platform.python,
        "packages": packages or "the standard library alone",
        "networks run in": ", ".join(platform.runtimes),
        "time": f"{platform.max_seconds:g} s" if platform.max_seconds else "no limit known",
        "memory": f"{platform.max_memory_mb:,.0f} MB" if platform.max_memory_mb else "no limit known",
        "/dev/shm": f"{platform.shm_mb:g} MB",
        "cores": str(platform.threads or "not known"),
        "network": "on" if platform.network else "off, as a rehearsal always has it",
        "environment": f"{environment_folder(platform)} ({'made' if made else 'not made yet'})",
    }
