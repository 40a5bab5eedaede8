"""What `kit nets` prints: the networks that recipes are made of, each with its size, input and source."""

from __future__ import annotations

from typing import Any

from kit.errors import NetError
from kit.nets.coverage import seen_share
from kit.nets.registry import all_names, build_on_meta, describe, min_size, with_size

LISTED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("kit/residual", {}),
    ("kit/cnn", {}),
    ("kit/cnn28", {}),
    ("kit/inception_se", {}),
    ("kit/unet", {}),
    ("kit/grafted", {"tail": "residual"}),
    ("kit/grafted", {"tail": "transformer"}),
    ("kit/grafted", {"tail": "pyramid", "maps": [2, 3, 4]}),
    ("hybrid", {"backbones": ["efficientnet_b0", "vgg16"]}),
    ("hybrid", {"backbones": ["inception_v3", "legacy_xception"]}),
    ("timm/mobilenetv2_100", {}),
    ("timm/tf_efficientnet_lite0", {}),
    ("timm/efficientnet_b0", {}),
    ("timm/tf_efficientnetv2_s", {}),
    ("timm/tf_efficientnetv2_m", {}),
    ("timm/tf_efficientnetv2_l", {}),
    ("timm/resnet50", {}),
    ("timm/densenet169", {}),
    ("timm/densenet201", {}),
    ("timm/inception_v3", {}),
    ("timm/legacy_xception", {}),
    ("timm/vgg16", {}),
    ("timm/convnext_tiny", {}),
    ("timm/convnext_base", {}),
    ("timm/convnext_xlarge", {}),
    ("timm/vit_small_patch16_224", {}),
    ("timm/swin_tiny_patch4_window7_224", {}),
    ("timm/swin_base_patch4_window7_224", {}),
    ("torchvision/resnet18", {}),
    ("torchvision/vit_b_16", {}),
)
"""Every name of timm and torchvision works; these are the ones that recipes and the contract test use."""

MOST = 30


def net_rows(pattern: str = "", size: int | None = None) -> list[dict[str, Any]]:
    """Rows of name, args, parameters, input_size, min_size, source for the listed networks.

    size: adds which share of an image of that many pixels a side each network sees.
    `pattern` keeps those whose name or backbones hold it; where none does, up to MOST of all names that do.
    """
    wanted = [(name, args) for name, args in LISTED if pattern in name or pattern in str(args)]
    found: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in all_names() if pattern in name]
    wanted = wanted or found[:MOST]
    return [net_row(name, args, size) for name, args in wanted]


def net_row(name: str, args: dict[str, Any], size: int | None = None) -> dict[str, Any]:
    """One row; NetError where the name is unknown."""
    info = describe(name, args)
    net = build_on_meta(name, with_size(name, args, info.input_size))
    count = sum(parameter.numel() for parameter in net.parameters())
    return {
        "name": name,
        "args": args,
        "parameters": count,
        "input_size": info.input_size,
        "min_size": min_size(name, args),
        "source": info.source,
    } | ({} if size is None else {f"seen at {size}": _seen(name, args, size)})


def _seen(name: str, args: dict[str, Any], size: int) -> str:
    """Share of an image of that size that the network's prediction depends on."""
    try:
        return f"{seen_share(name, args, size):.0%}"
    except NetError:
        return "too small"
