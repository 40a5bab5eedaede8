"""What share of an image every network of timm, torchvision and the kit sees at small sizes, by its gradient.

    python benchmarks/seen.py seen.jsonl                        all at 28, 32, 64 and 96 px: most of an hour on one core
    python benchmarks/seen.py seen.jsonl --seconds 500          for so long; started again, it goes on
    python benchmarks/seen.py seen.jsonl --largest 700          networks of up to 700 million parameters, not 30
    python benchmarks/seen.py seen.jsonl --summary              what the file says

Networks are built on the CPU with random weights, the smallest first. Larger ones than `--largest` are taken to see
what a network of the same geometry sees: kernels, strides, paddings, patches and windows in the same order. The
summary says in how many geometries networks that were both probed disagree.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from kit.artefact import sha256_bytes
from kit.errors import NetError
from kit.nets.coverage import LEAST, share_of
from kit.nets.quick_weights import QuickWeights
from kit.nets.registry import all_names, build, build_on_meta, completed_args, with_size

SIZES = (28, 32, 64, 96)

GEOMETRY = ("kernel_size", "stride", "padding", "dilation", "patch_size", "window_size", "pool_type", "scale_factor",
            "strict_img_size", "dynamic_img_pad")  # fmt: skip
"""Attributes of modules that say where an output looks."""

Row = dict[str, Any]


def looks(name: str) -> Row:
    """Parameters of a network as it was designed, and a digest of its geometry: modules in order, repeats left out."""
    net = build_on_meta(name, {})
    found = [type(net).__name__]
    for module in net.modules():
        given = {key: str(getattr(module, key)) for key in GEOMETRY if hasattr(module, key)}
        line = f"{type(module).__name__} {given}"
        if given and line not in found[-8:]:
            found.append(line)
    count = sum(parameter.numel() for parameter in net.parameters())
    return {"name": name, "parameters": count, "geometry": sha256_bytes("\n".join(found).encode())[:12]}


def probe(name: str, sizes: list[int]) -> list[Row]:
    """A row for each size: its share, or why there is none."""
    rows: list[Row] = []
    nets: dict[str, nn.Module] = {}
    for size in sizes:
        start, row = time.perf_counter(), {"name": name, "size": size}
        try:
            try:
                row["share"] = share(name, completed_args(name, {}, size), size, nets)
            except Exception:  # it needs other arguments, or does not take the size: slower to find out
                row["share"] = share(name, with_size(name, {}, size), size, nets)
        except NetError as error:
            row["refused"] = str(error)[:200]
        except Exception as error:  # a row for each network, whatever happens
            row["failed"] = f"{type(error).__name__}: {error}"[:200]
        rows.append(row | {"seconds": round(time.perf_counter() - start, 2)})
    return rows


def share(name: str, args: dict[str, Any], size: int, nets: dict[str, nn.Module]) -> float:
    """`seen_share` with these arguments; the last network is kept in `nets` for sizes that need no other."""
    if (key := json.dumps(args)) not in nets:
        nets.clear()
        torch.manual_seed(0)
        with QuickWeights():
            nets[key] = build(name, 2, args)
    return share_of(nets[key], size)


def kind(row: Row) -> str:
    """What came of a network at a size."""
    found = next(kind for kind in ("refused", "failed", "share") if kind in row)
    return "part" if row.get("share", 1.0) < LEAST else found


def summary(rows: list[Row], nets: list[Row]) -> None:
    """Counts by size, the networks that see least, those without a network of their geometry, failures."""
    for size in sorted({row["size"] for row in rows}):
        _summary_at(size, {row["name"]: row for row in rows if row["size"] == size}, nets)
    for row in rows:
        if "failed" in row:
            print(row["name"], row["size"], row["failed"])


def _summary_at(size: int, probed: dict[str, Row], nets: list[Row]) -> None:
    by_geometry = defaultdict(list)
    for net in nets:
        if net["name"] in probed:
            by_geometry[net["geometry"]].append(probed[net["name"]])
    unprobed = [by_geometry[net["geometry"]] for net in nets if net["name"] not in probed]
    taken = [alike[0] for alike in unprobed if alike]
    counts = Counter(map(kind, [*probed.values(), *taken]))
    left = len(nets) - len(probed) - len(taken)
    print(f"{size} px: {len(nets)} networks, {len(probed)} probed, {len(taken)} by geometry, {left} left: "
          f"{counts['share']} see at least {LEAST:.0%}, {counts['part']} see less, {counts['refused']} do not take it, "
          f"{counts['failed']} failed")  # fmt: skip
    several = [some for some in by_geometry.values() if len(some) > 1]
    disagree = [some for some in several if len({(kind(row), row.get("share")) for row in some}) > 1]
    print(f"   {len(several)} geometries with several probed, of which {len(disagree)} disagree")
    for some in disagree[:10]:
        print("      ", ", ".join(f"{row['name']} {row.get('share', kind(row))}" for row in some[:6]))
    part = sorted((row for row in probed.values() if kind(row) == "part"), key=lambda row: row["share"])
    print("   least:", ", ".join(f"{row['name']} {row['share']:.0%}" for row in part[:8]))


def read(path: Path) -> list[Row]:
    """Rows of a file of JSON lines, none where it is not there."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def add(path: Path, rows: list[Row]) -> None:
    """Append rows to a file."""
    with path.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--names", default="")
    parser.add_argument("--largest", type=float, default=30, help="in millions of parameters")
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--summary", action="store_true")
    given = parser.parse_args()
    end, nets_file = time.monotonic() + given.seconds, given.file.with_suffix(".nets.jsonl")
    rows, nets = read(given.file), read(nets_file)
    torch.set_num_threads(1)
    for name in [] if given.summary else [name for name in all_names() if given.names in name]:
        if name not in {net["name"] for net in nets} and time.monotonic() < end:
            nets.append(looks(name))
            add(nets_file, nets[-1:])
    done = {(row["name"], row["size"]) for row in rows}
    for net in [] if given.summary else sorted(nets, key=lambda net: net["parameters"]):
        sizes = [size for size in given.sizes if (net["name"], size) not in done]
        if given.names in net["name"] and net["parameters"] <= given.largest * 1e6 and sizes and time.monotonic() < end:
            more = probe(net["name"], sizes)
            add(given.file, more)
            rows += more
    summary(rows, nets)


if __name__ == "__main__":
    main()
