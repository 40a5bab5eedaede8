"""A submission kit for image-classification contests that judge on a hidden test.

In a notebook or a script:

    import kit

    contest = kit.load_contest("practice")
    data = kit.prepare(contest)
    kit.fit(contest, data, ["practice_plain", "practice_strong"])
    kit.leaderboard(contest)
    blend = kit.blend(contest, "best2")
    zipped = kit.package(contest, blend)
    kit.rehearse(contest, zipped)

A contest of one's own begins with `kit.init("mine", "train/")`, and `kit.predict(contest, zipped)` labels test images.
Each function is explained by `help(kit.fit)`. They are loaded when they are first used.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.api import blend, fit, init, leaderboard, load_contest, oof, package, predict, prepare, rehearse

# Read when torch is imported: what Apple's chips have no kernel for is computed on the CPU, and torch warns of it.
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")

__version__ = "0.1.0"
__all__ = ["blend", "fit", "init", "leaderboard", "load_contest", "oof", "package", "predict", "prepare", "rehearse"]


def __getattr__(name: str) -> Any:
    """The function of that name: `import kit` itself costs no second."""
    if name in __all__:
        return getattr(importlib.import_module("kit.api"), name)
    raise AttributeError(f"module 'kit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
