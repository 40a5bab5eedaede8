"""Which recipes a contest starts with that names none: a few, by size of image and machine, pretrained ones first.

How much is learnt from them is the contest's situation and budget: the same recipe augments mildly where the hidden
test is like the training data and strongly where it is shifted, and the budget's race drops what does not pay.
"""

from __future__ import annotations

from typing import Literal

Device = Literal["cpu", "gpu"]

LARGE = 160
"""Images from this size are seen at up to 192 px on a CPU; smaller ones are enlarged, as pretrained networks need it:
32 px at 96, 128 and 160 px, for equal time, gave 0.770, 0.787 and 0.797 on natural photographs."""
SCRATCH = "residual_64"
"""Needs no weights: what is left where none can be had, and another kind of error in the blend where they can."""
CPU = ("finetune_mobilenetv2_128", "finetune_mobilenetv2_160", "finetune_lite0_128", SCRATCH)
CPU_LARGE = ("finetune_mobilenetv2_192", "finetune_mobilenetv2_128", "finetune_lite0_192", SCRATCH)
CPU_SHIFTED = ("mobilenetv2_96", "trunk_transformer_96", SCRATCH, "residual_group_64", "residual_se_64")
GPU = ("convnext_tiny_224", "efficientnetv2_s_224", "swin_tiny_224", "residual_wide_64")


def default_recipes(size: int, expects: str = "auto", device: Device = "cpu") -> tuple[str, ...]:
    """Names of recipes for images of `size` pixels, the likeliest to win first.

    expects: "clean", "shifted", or "auto" where it is not known yet. device: "cpu" or "gpu".
    """
    if device == "gpu":
        return GPU
    if expects == "shifted":
        return CPU_SHIFTED
    return CPU_LARGE if size >= LARGE else CPU
