"""Groups of rows: from equal keys, from links between rows, and both merged."""

from __future__ import annotations

import hashlib

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def image_keys(images: np.ndarray) -> np.ndarray:
    """(N,) str: 16 hex digits of each image's pixels; equal for identical images."""
    return np.array([hashlib.blake2b(image.tobytes(), digest_size=8).hexdigest() for image in images], dtype="U16")


def by_key(keys: np.ndarray) -> np.ndarray:
    """(N,) int64 group numbers, in the order of first appearance."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse.reshape(-1)]


def stars(count: int, pairs: np.ndarray) -> np.ndarray:
    """Group numbers (count,) int64: each group is one row and those linked to it by `pairs` (M, 2) int64.

    The row with most links comes first, and takes what is linked to it. So no two rows of a group are further apart
    than two links; a chain of links is cut, where a connected component would run through look-alikes without end.
    """
    groups = np.full(count, -1, dtype=np.int64)
    both = np.concatenate([pairs, pairs[:, ::-1]]).reshape(-1, 2)
    both = both[np.argsort(both[:, 0], kind="stable")]
    degrees = np.bincount(both[:, 0], minlength=count)
    ends = np.cumsum(degrees)
    for row in np.argsort(-degrees, kind="stable")[: int((degrees > 0).sum())].tolist():
        if groups[row] < 0:
            linked = both[ends[row] - degrees[row] : ends[row], 1]
            groups[linked[groups[linked] < 0]] = row
            groups[row] = row
    return by_key(np.where(groups < 0, np.arange(count), groups))


def merge(groups: np.ndarray, links: np.ndarray) -> np.ndarray:
    """Group numbers (N,) int64 after joining, for each of `links` (M, 2) int64, the groups of its two
    rows.
    """
    count = int(groups.max(initial=-1)) + 1
    pairs = groups[links.reshape(-1, 2)]
    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    return by_key(component[groups])


def merge_keys(groups: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Group numbers (N,) int64 after joining rows of equal `keys` as well."""
    other = by_key(keys)
    first = np.full(int(other.max(initial=-1)) + 1, -1, dtype=np.int64)
    first[other[::-1]] = np.arange(len(other))[::-1]
    return merge(groups, np.stack([np.arange(len(other)), first[other]], axis=1))


def label_counts(groups: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """(groups, num_classes) int64: how often each label occurs in each group."""
    counts = np.zeros((int(groups.max(initial=-1)) + 1, num_classes), dtype=np.int64)
    np.add.at(counts, (groups, labels), 1)
    return counts
