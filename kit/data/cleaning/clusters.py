"""Junk in clusters: many different images that hang together, apart from the rest, while their labels are random.

Crops of one unrelated photograph are each other's neighbours, so none of them is an outlier. They are found as a part
of the graph of mutual neighbours in which labels agree no more than drawn ones would, though elsewhere in the data
neighbours do agree. Such a part may be real all the same: it is listed, and never dropped by itself.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from kit.data.cleaning.bounds import Charge

FEWEST, LARGEST = 12, 0.2
"""Images of a cluster: at least, and as a share of all."""
RANDOM, ORDERED = 2.0, 4.0
"""Standard errors that a cluster's agreement may lie above that of drawn labels, and must lie below that of the
rest.
"""


def charge(rows: np.ndarray, labels: np.ndarray) -> Charge:
    """Images whose labels are random in a cluster, given their neighbours (N, K) int64 and labels (N,) int64."""
    parts = _parts(rows)
    sizes = np.bincount(parts)
    agrees = (labels[rows] == labels[:, None]).mean(axis=1)
    found: list[int] = []
    text: list[str] = []
    for part in np.flatnonzero((sizes >= FEWEST) & (sizes <= LARGEST * len(rows))):
        inside = parts == part
        own, rest = float(agrees[inside].mean()), float(agrees[~inside].mean())
        shares = np.bincount(labels[inside]) / sizes[part]
        if _random(own, float((shares**2).sum()), rest, int(sizes[part])):
            members = np.flatnonzero(inside)
            found += members.tolist()
            text += [
                f"one of {len(members)} images that lie together, apart from the rest; their labels agree with their "
                f"neighbours' in {own:.0%} (elsewhere {rest:.0%})"
            ] * len(members)
    return Charge("cluster", np.array(found, np.int64), np.array(text, dtype=object), asks=True)


def _random(own: float, drawn: float, rest: float, size: int) -> bool:
    """Whether labels that agree with neighbours in the share `own` are drawn ones, where the `rest` is ordered."""
    of_drawn, of_rest = (np.sqrt(max(share * (1 - share), 1e-4) / size) for share in (drawn, rest))
    return own <= drawn + RANDOM * of_drawn and own <= rest - ORDERED * of_rest and drawn < 0.8


def _parts(rows: np.ndarray) -> np.ndarray:
    """(N,) int64 number of the part of the graph of mutual neighbours that each image lies in."""
    count = len(rows)
    own = np.repeat(np.arange(count), rows.shape[1])
    graph = coo_array((np.ones(rows.size, np.int8), (own, rows.ravel())), shape=(count, count)).tocsr()
    return connected_components(graph.minimum(graph.T), directed=False)[1].astype(np.int64)
