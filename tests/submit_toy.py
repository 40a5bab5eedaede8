"""A tiny contest with a trained out-of-fold store: three colours of disc, two recipes of two folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from kit.artefact import write_json, write_npz
from kit.config import ContestConfig, PlatformConfig, RecipeConfig, RecipeSets
from kit.data.prepared import Prepared
from kit.inference.model import load_net, net_logits, preprocess
from kit.nets.registry import build
from kit.train.member import member_spec, write_member
from kit.workspace import Workspace

SIDE = 24
CLASSES = ("red", "green", "blue")


def toy_contest() -> ContestConfig:
    """A contest whose data are given, not read."""
    return ContestConfig(
        name="toy", classes=CLASSES, image_size=SIDE, recipes=RecipeSets(cpu=("one", "two")), platform="toy"
    )


def toy_platform(**changes: object) -> PlatformConfig:
    """torch and timm, Python 3.9, few rows."""
    values = {"name": "toy", "packages": {"torch": "", "timm": "", "numpy": ""}, "rehearsal_rows": 120}
    return PlatformConfig.model_validate(values | changes)


def toy_prepared(count: int = 120) -> Prepared:
    """Noisy images (count, 24, 24, 3) with one channel raised, in two folds."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 3
    images = rng.integers(60, 160, (count, SIDE, SIDE, 3))
    images[np.arange(count), :, :, labels] += 60
    ids = np.array([f"{row:04d}" for row in range(count)])
    folds = (np.arange(count) // 3) % 2
    return Prepared(
        ids=ids,
        images=images.astype(np.uint8),
        labels=labels,
        folds=folds,
        groups=np.arange(count),
        class_names=CLASSES,
        data_digest="d" * 64,
        fold_digest="f" * 64,
    )


def toy_recipe(name: str) -> RecipeConfig:
    """Recipe "one" sees 24 px and one view, "two" 16 px and two."""
    small = name == "two"
    values = {
        "name": name,
        "net": {"name": "kit/residual", "args": {"width": 8, "depth": [1, 1]}},
        "size": 16 if small else SIDE,
        "views": ["identity", "rot90"] if small else ["identity"],
    }
    return RecipeConfig.model_validate(values)


def fit(recipe: RecipeConfig, prepared: Prepared, rows: np.ndarray) -> torch.nn.Module:
    """A network that tells the colours apart."""
    torch.manual_seed(0)
    spec = member_spec(recipe, len(CLASSES))
    net = build(recipe.net.name, len(CLASSES), recipe.net.args)
    x = preprocess(prepared.images[rows], spec["size"], spec["mean"], spec["std"])
    y = torch.from_numpy(prepared.labels[rows])
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    for _ in range(12):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net


def write_store(workspace: Workspace, prepared: Prepared) -> None:
    """The out-of-fold runs of both recipes, as training leaves them."""
    for name in ("one", "two"):
        recipe = toy_recipe(name)
        spec = member_spec(recipe, len(CLASSES))
        folder = workspace.run("toy", name)
        for fold in (0, 1):
            write_member(folder / f"fold{fold}", fit(recipe, prepared, np.flatnonzero(prepared.folds != fold)), spec)
            write_oof(folder / f"fold{fold}", spec, prepared, np.flatnonzero(prepared.folds == fold))
        digests = {"data": prepared.data_digest, "folds": prepared.fold_digest}
        info = {"config": recipe.model_dump(mode="json"), "folds_done": [0, 1], "digests": digests, "shift": {}}
        write_json(folder / "run.json", info | digests | {"cell_names": ["blur.box@1"]})


def write_oof(folder: Path, spec: dict, prepared: Prepared, rows: np.ndarray) -> None:
    """Clean and one kind of shifted logits of held-out rows."""
    net = load_net(spec, str(folder))
    darker = prepared.images[rows] // 2
    write_npz(
        folder / "oof.npz",
        ids=prepared.ids[rows],
        labels=prepared.labels[rows],
        logits=net_logits(net, prepared.images[rows], spec),
        shifted=net_logits(net, darker, spec)[:, None],
        cells=np.zeros((len(rows), 1), dtype=np.int64),
    )
    write_json(folder / "fold.json", {"rows": len(rows)})
