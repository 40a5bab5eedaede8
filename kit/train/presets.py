"""Augmentation policies by name, as a recipe would write them (`augment.policy = "microscope"`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kit.errors import ConfigError, did_you_mean

Step = Mapping[str, Any]
Steps = tuple[dict[str, Any], ...]

CLASSIC: Steps = (
    {"name": "HorizontalFlip", "p": 0.5},
    {
        "name": "Affine",
        "rotate": [-180, 180],
        "translate_percent": [-0.1, 0.1],
        "shear": [-10, 10],
        "scale": [0.85, 1.15],
        "border_mode": 4,
        "p": 1.0,
    },
)
"""The studies': rotation over the circle, shifts, shear, zoom, a flip; no change of colour."""

MICROSCOPE: Steps = (
    {"name": "D4", "p": 1.0},
    {
        "name": "OneOf",
        "p": 0.4,
        "transforms": [
            {"name": "Defocus", "radius": [2, 4], "alias_blur": [0.1, 0.3], "p": 1.0},
            {"name": "MotionBlur", "blur_limit": [3, 7], "p": 1.0},
            {"name": "GaussianBlur", "sigma_limit": [0.5, 2.0], "blur_limit": 0, "p": 1.0},
        ],
    },
    {"name": "Illumination", "mode": "gaussian", "intensity_range": [0.05, 0.2], "p": 0.2},
    {"name": "Illumination", "mode": "linear", "intensity_range": [0.05, 0.2], "p": 0.2},
    # Stain: each dye's optical density scaled and shifted (Tellez et al., arXiv:1902.06543).
    {
        "name": "HEStain",
        "method": "random_preset",
        "intensity_scale_range": [0.7, 1.3],
        "intensity_shift_range": [-0.15, 0.15],
        "augment_background": True,
        "p": 0.3,
    },
    {"name": "PlanckianJitter", "mode": "blackbody", "p": 0.3},
    {"name": "RandomBrightnessContrast", "brightness_limit": 0.2, "contrast_limit": 0.2, "p": 0.3},
    # Dust: small dark or bright specks.
    {
        "name": "CoarseDropout",
        "num_holes_range": [1, 6],
        "hole_height_range": [0.02, 0.06],
        "hole_width_range": [0.02, 0.06],
        "fill": "random_uniform",
        "p": 0.2,
    },
    {
        "name": "OneOf",
        "p": 0.4,
        "transforms": [
            {"name": "ISONoise", "color_shift": [0.01, 0.05], "intensity": [0.1, 0.5], "p": 1.0},
            {"name": "ShotNoise", "scale_range": [0.05, 0.2], "p": 1.0},
            {"name": "GaussNoise", "std_range": [0.02, 0.1], "p": 1.0},
        ],
    },
    {"name": "ImageCompression", "quality_range": [30, 90], "p": 0.3},
)
"""What goes wrong at a microscope: focus, movement, light, stain, white balance, dust, sensor, JPEG."""

STRONG: Steps = (
    {"name": "D4", "p": 1.0},
    {
        "name": "SomeOf",
        "n": 3,
        "p": 0.9,
        "transforms": [
            {"name": "Affine", "rotate": [-180, 180], "border_mode": 4, "p": 1.0},
            {"name": "Affine", "translate_percent": [-0.15, 0.15], "border_mode": 4, "p": 1.0},
            {"name": "Affine", "shear": [-20, 20], "border_mode": 4, "p": 1.0},
            {"name": "Affine", "scale": [0.7, 1.3], "border_mode": 4, "p": 1.0},
            {"name": "RandomBrightnessContrast", "brightness_limit": 0.4, "contrast_limit": 0.0, "p": 1.0},
            {"name": "RandomBrightnessContrast", "brightness_limit": 0.0, "contrast_limit": 0.5, "p": 1.0},
            {"name": "HueSaturationValue", "hue_shift_limit": 90, "sat_shift_limit": 60, "p": 1.0},
            {"name": "RGBShift", "p": 1.0},
            {"name": "ChannelShuffle", "p": 1.0},
            {"name": "RandomGamma", "gamma_limit": [50, 180], "p": 1.0},
            {"name": "Solarize", "threshold_range": [0.5, 0.9], "p": 1.0},
            {"name": "Posterize", "num_bits": [3, 5], "p": 1.0},
            {"name": "Sharpen", "p": 1.0},
            {"name": "GaussianBlur", "sigma_limit": [0.5, 3.0], "blur_limit": 0, "p": 1.0},
            {"name": "GaussNoise", "std_range": [0.05, 0.25], "p": 1.0},
            {"name": "CoarseDropout", "hole_height_range": [0.1, 0.4], "hole_width_range": [0.1, 0.4], "p": 1.0},
        ],
    },
)
"""A chain of some fifteen random operators, a few an image, as winners of shifted contests describe theirs."""

PRESETS: dict[str, Steps] = {
    "classic": CLASSIC,
    "microscope": MICROSCOPE,
    "randaugment": ({"name": "D4", "p": 1.0}, {"name": "RandAugment", "num_ops": 2, "magnitude": 9}),
    "trivial": ({"name": "D4", "p": 1.0}, {"name": "TrivialAugmentWide"}),
    "augmix": ({"name": "D4", "p": 1.0}, {"name": "AugMix", "severity": 3}),
    "strong": STRONG,
}
"""RandAugment arXiv:1909.13719, TrivialAugment arXiv:2103.10158, AugMix arXiv:1912.02781."""


def policy_steps(policy: str | Sequence[Step]) -> Sequence[Step]:
    """The steps of a preset by name, or the list itself; ConfigError names the near preset."""
    if not isinstance(policy, str):
        return policy
    if policy not in PRESETS:
        raise ConfigError(
            f"augment.policy must be a list of steps or one of {', '.join(PRESETS)}, but got {policy!r}."
            f"{did_you_mean(policy, PRESETS)}"
        )
    return PRESETS[policy]
