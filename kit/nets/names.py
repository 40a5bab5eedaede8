"""What a network's name alone tells; neither torch nor timm is imported."""

from __future__ import annotations

LIBRARIES = ("timm", "torchvision")


def file_of(name: str) -> str:
    """The file of this folder that defines the network, which a submission carries; "" for a library's own."""
    family, _, rest = name.rpartition("/")
    return "" if family in LIBRARIES else f"{rest}.py"
