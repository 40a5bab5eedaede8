"""Which recipes a contest starts with that names none: a few, by size of image and machine, pretrained ones first.

How much is learnt from them is the contest's situation and budget: the same recipe augments mildly where the hidden
test is like the training data and strongly where it is shifted, and the budget's race drops what does not pay.
"""

from __future__ import annotations

from typing import Literal

from kit.errors import NetError
from kit.nets.weights.search import locate

Device = Literal["cpu", "gpu"]

LARGE = 160
"""Images from this size are seen at 192 px on a CPU; smaller ones are enlarged, as pretrained networks need it."""
TRUNKS = {"mobilenetv2": "timm/mobilenetv2_100", "lite0": "timm/tf_efficientnet_lite0"}
"""Small pretrained networks, the quicker one first; the second comes with a package where no hub can be reached."""
SCRATCH = "residual_64"
"""Needs no weights: what is left where none can be had, and another kind of error in the blend where they can."""
SHORT, LONGER, LARGEST = 128, 160, 192
"""Sizes at which a trunk is fine-tuned. With the first three stages frozen, a step at 160 px takes what one at 128
takes where all learn, and for equal time one network gave 0.830 and 0.803 on photographs of 32 px (EfficientNet-Lite0),
0.991 and 0.984 on handwritten digits and 0.971 and 0.965 on blood cells (MobileNetV2)."""
LONG = 10.0
"""Minutes from which small images are seen at 160 px, and a second size is worth its part of the race. In six, heads
and scores at 160 px take what a second architecture needs: 0.820 of photographs against 0.842."""
SHIFTED = {"mobilenetv2": ("mobilenetv2_96", "trunk_transformer_96"), "lite0": ("lite0_96",)}
"""Recipes from each trunk where the hidden test is shifted."""
SCRATCH_SHIFTED = (SCRATCH, "residual_group_64", "residual_se_64")
SCRATCH_LONG = 60.0
"""Minutes from which more than one of them races beside pretrained networks: in 15 and in 45 none of the three was
worth training on blood cells, where races of six recipes took 149 and 347 s."""
GPU = ("convnext_tiny_224", "efficientnetv2_s_224", "swin_tiny_224", "residual_wide_64")
STARTING = (
    *GPU,
    *(f"finetune_{trunk}_{size}" for trunk in TRUNKS for size in (SHORT, LONGER, LARGEST)),
    *(name for names in SHIFTED.values() for name in names),
    *SCRATCH_SHIFTED,
)
"""Every recipe that a contest may start with unasked."""


def default_recipes(
    size: int, expects: str = "auto", device: Device = "cpu", minutes: float | None = None
) -> tuple[str, ...]:
    """Names of recipes for images of `size` pixels, the likeliest to win first; few, as each costs the race time.

    Every trunk whose weights are here takes part: networks of two architectures make a better blend than two of one.
    expects: "clean", "shifted", or "auto" where it is not known yet. device: "cpu" or "gpu". minutes: of the budget.
    """
    if device == "gpu":
        return GPU
    here = [name for name, net in TRUNKS.items() if _here(net)]
    trunks = here or list(TRUNKS)[:1]
    if expects == "shifted":
        short = bool(here) and minutes is not None and minutes < SCRATCH_LONG
        return (*(name for trunk in trunks for name in SHIFTED[trunk]), *SCRATCH_SHIFTED[: 1 if short else None])
    long = minutes is None or minutes >= LONG
    first = LARGEST if size >= LARGE else LONGER if long else SHORT
    second = (f"finetune_{trunks[0]}_{SHORT}",) if long else ()
    return (*(f"finetune_{trunk}_{first}" for trunk in trunks), *second, SCRATCH)


def _here(net: str) -> bool:
    """Whether weights of the network lie on this machine; the hub is not asked."""
    try:
        locate(net, ask_hub=False)
    except NetError:
        return False
    return True
