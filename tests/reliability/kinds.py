"""Every kind of file that the kit keeps, by the function that writes it; one that is not here fails the tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from kit.workspace import PROJECT

WRITERS = {"write_bytes", "write_text", "write_json", "write_csv", "write_npz", "write_zip", "replacing", "open_memmap"}

CHECKED = {
    "run.json": ("train/run_folder.py:complete",),
    "fold.json": ("train/fold.py:train", "train/fold.py:score_again"),
    "oof.npz, vault.npz": ("train/scoring.py:score_fold", "train/all_rows.py:_score"),
    "weights.safetensors, member.json": ("train/member.py:write_member",),
    "checkpoint.pt": ("train/checkpoint.py:save",),
    "teacher-*.npz": ("ensemble/compress/distill.py:predictions",),
    "adaptation.json": ("packaging/adaptation.py:write",),
    "training_rows.json": ("comparison/training_rows.py:training_accuracy",),
    "prepared.json": ("data/stale.py:write",),
    "images.json": ("data/sources/decoding_record.py:write",),
    "situation.json": ("situation/situation.py:find_situation",),
    "plan.json": ("pipeline/plan.py:write",),
    "blends/*.json": ("ensemble/blend.py:to_json",),
    "sweeps/*/hours.json": ("sweep/hours.py:note",),
    "sweeps/*/summary.json": ("sweep/stored.py:write",),
    "sweeps/*/journal.log": ("sweep/storage.py:append_logs",),
    "*.zip": ("packaging/pack.py:package",),
    "*.rehearsal.json": ("rehearsal/result.py:to_json",),
    "ledger.jsonl": ("platforms/ledger.py:append",),
    ".cache/precision/*.json": ("train/precision.py:choose_precision", "train/precision.py:doubt_precision"),
    ".cache/runtimes.json": ("packaging/fastest.py:fastest",),
    ".cache/places, .cache/threads": ("cluster/places.py:passes_per_second", "cluster/threads.py:measured_workers"),
}  # fmt: skip
"""Kinds whose damage is refused with a command, and the functions that write them."""

MADE_AGAIN = {
    ".cache/data": ("data/sources/cache.py:_fill", "data/sources/cache.py:_fill.allocate",
                    "data/sources/cache.py:_write_beyond"),
    ".cache/looks": ("report/looks.py:_remembered",),
    ".cache/made": ("made_from.py:keep",),
    ".cache/prepared": ("cluster/shared.py:share", "cluster/shared.py:_write_images"),
}  # fmt: skip
"""Caches whose damage is found, and which are then made again."""

TOLD = {"clean.csv": ("data/prepared.py:cleaned",), "folds.csv": ("data/prepared.py:_folds",)}
"""Tables that a person may edit: a change is told, and holds."""

FOR_PEOPLE = {
    "clean.png": ("data/cleaning/contact_sheet.py:write_sheet",),
    "labels.csv": ("ensemble/label_doubts.py:rank_labels",),
    "adaptation.csv": ("commands/adapt.py:adapt",),
    "comparison tables": ("comparison/tables.py:write_tables",),
    "comparison.svg": ("comparison/figure.py:write_figure",),
    "report.html": ("report/page.py:write_report",),
    "workers/*.log": ("cluster/worker.py:serve",),
}
"""Kinds that the kit writes and never reads."""

ELSEWHERE = {
    "kit/artefact.py itself": ("artefact.py:write_bytes", "artefact.py:write_text", "artefact.py:write_json",
                               "artefact.py:write_csv", "artefact.py:write_npz", "packaging/archive.py:write_zip"),
    "files of a fit sent home": ("cluster/store.py:store", "cluster/ray_node.py:_moved"),
    "a mark that a disk is shared": ("cluster/ray_backend.py:_token",),
    "locks": ("lock.py:_locked", "sweep/storage.py:acquire", "sweep/owners.py:__init__"),
    "the end of a journal": ("sweep/storage.py:_repaired",),
    "a person's clean.csv": ("ensemble/label_doubts.py:act",),
    "a person's contest or recipe": ("start/init.py:start", "sweep/promote.py:promote"),
    "weights/": ("nets/weights/fetch.py:_from_package",),
    "what a person asked for": ("platforms/bundle.py:write_bundle", "platforms/predictions.py:write_predictions"),
    "environments of rehearsals": ("rehearsal/environment.py:_create",),
    "temporary files of a rehearsal": ("rehearsal/watch.py:watch",),
}  # fmt: skip
"""What does not lie under oof/ or submissions/, or is no file of its own."""

TABLES = (CHECKED, MADE_AGAIN, TOLD, FOR_PEOPLE, ELSEWHERE)
LISTED = {site for table in TABLES for sites in table.values() for site in sites}


def write_sites() -> set[str]:
    """"train/run_folder.py:complete" for every function of the kit that writes a file which stays."""
    found: set[str] = set()
    for path in sorted((PROJECT / "kit").rglob("*.py")):
        name = str(path.relative_to(PROJECT / "kit"))
        if not name.startswith("rehearsal/programs/"):
            found |= {f"{name}:{function}" for function in _writing(ast.parse(path.read_text()), "")}
    return found


def _writing(node: ast.AST, function: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        inner = function
        if isinstance(child, ast.FunctionDef):
            inner = f"{function}.{child.name}" if function else child.name
        if isinstance(child, ast.Call) and _writes(child):
            yield function
        yield from _writing(child, inner)


def _writes(call: ast.Call) -> bool:
    called, owner = call.func, ""
    if isinstance(called, ast.Attribute):
        owner = ast.unparse(called.value)
        name = called.attr
    else:
        name = called.id if isinstance(called, ast.Name) else ""
    if name in WRITERS:
        return owner in ("", "artefact", "np.lib.format")
    if name == "open" and owner == "os":
        return any("O_CREAT" in ast.unparse(one) for one in call.args)
    if name == "open" and owner == "" and len(call.args) > 1:
        return bool(set(ast.unparse(call.args[1])) & set("wax+"))
    return False


def files(root: Path) -> list[Path]:
    """All files under oof/ and submissions/."""
    return sorted(path for top in ("oof", "submissions") for path in (root / top).rglob("*") if path.is_file())
