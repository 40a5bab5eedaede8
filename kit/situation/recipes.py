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
"""Images from this size are seen at up to 192 px on a CPU; smaller ones are enlarged, as pretrained networks need it:
32 px at 96, 128 and 160 px, for equal time, gave 0.770, 0.787 and 0.797 on natural photographs."""
TRUNKS = {"mobilenetv2": "timm/mobilenetv2_100", "lite0": "timm/tf_efficientnet_lite0"}
"""Small pretrained networks, the better one first; the second comes with a package where no hub can be reached."""
SCRATCH = "residual_64"
"""Needs no weights: what is left where none can be had, and another kind of error in the blend where they can."""
CPU = ("finetune_{trunk}_128", "finetune_{trunk}_160", SCRATCH)
CPU_LARGE = ("finetune_{trunk}_192", "finetune_{trunk}_128", SCRATCH)
CPU_SHIFTED = ("mobilenetv2_96", "trunk_transformer_96", SCRATCH, "residual_group_64", "residual_se_64")
GPU = ("convnext_tiny_224", "efficientnetv2_s_224", "swin_tiny_224", "residual_wide_64")


def default_recipes(size: int, expects: str = "auto", device: Device = "cpu") -> tuple[str, ...]:
    """Names of recipes for images of `size` pixels, the likeliest to win first; few, as each costs the race time.

    expects: "clean", "shifted", or "auto" where it is not known yet. device: "cpu" or "gpu".
    """
    if device == "gpu":
        return GPU
    if expects == "shifted":
        return CPU_SHIFTED
    trunk = next((name for name, net in TRUNKS.items() if _here(net)), next(iter(TRUNKS)))
    return tuple(name.format(trunk=trunk) for name in (CPU_LARGE if size >= LARGE else CPU))


def _here(net: str) -> bool:
    """Whether weights of the network lie on this machine; the hub is not asked."""
    try:
        locate(net, ask_hub=False)
    except NetError:
        return False
    return True
