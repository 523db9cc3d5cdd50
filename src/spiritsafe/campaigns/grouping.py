"""Which accounts belong together, given which are linked.

Comes from `tying` and `draws`, which say who is tied to whom; goes on to `facts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.links.ragged import ranges

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

ROUNDS: Final = 30
BRIDGE_SHARE: Final = 0.5
"""Two communities are one when the ties between them are at least a quarter of the ties inside the smaller."""

BRIDGE_STRENGTH: Final = 0.25
"""And when one of these ties weighs at least a quarter of what one inside either weighs: whole templates are not joined
by what strangers share."""


def components(nodes: int, a: Ints, b: Ints) -> Ints:
    """Connected components of an undirected graph.

    Parameters
    ----------
    nodes
        How many nodes there are; they are numbered from 0.
    a, b
        Shape (edges,). The two ends of each edge.

    Returns
    -------
    Shape (nodes,): each node's component, numbered from 0 by first node. Deterministic.

    Source: hooking and pointer jumping, Shiloach and Vishkin, J. Algorithms 3 (1982), on whole arrays. SciPy's
    `connected_components` gives the same; loading it took a scan 0.2 s.

    Examples
    --------
    >>> components(5, np.array([0, 3]), np.array([1, 4])).tolist()
    [0, 0, 1, 2, 2]
    """
    label = np.arange(nodes, dtype=np.int64)
    while len(a):
        one, other = label[a], label[b]
        apart = one != other
        a, b, one, other = a[apart], b[apart], one[apart], other[apart]
        # Each component takes the smallest name that an edge leads to, then the name of that one, to the end.
        np.minimum.at(label, np.maximum(one, other), np.minimum(one, other))
        while (further := label[label]).tobytes() != label.tobytes():
            label = further
    # Named after their first node, so in order of it.
    return np.unique(label, return_inverse=True)[1]


def communities(nodes: int, a: Ints, b: Ints, weight: Floats) -> Ints:
    """Groups of nodes that are tied to one another more than to others.

    Components join whatever one tie in error joins. Here every node takes the name that the ties to its neighbours give
    most weight to, in turn, until nothing changes; a tie counts the more, the more neighbours its two ends have in
    common. Communities between which there are many ties are then put together (large ones fall apart where each node
    is tied to a few others only).

    Parameters
    ----------
    nodes
        How many there are; they are numbered from 0.
    a, b
        Shape (edges,). The two ends of each edge.
    weight
        Shape (edges,). How much each edge says. Every edge is given once.

    Returns
    -------
    Shape (nodes,): each node's community, numbered from 0 by first node. Deterministic: nodes take turns in order,
    and of equal names a node keeps its own, else takes the smallest.

    Source: label propagation, Raghavan, Albert & Kumara (2007), doi:10.1103/PhysRevE.76.036106.

    Examples
    --------
    Two triangles with one tie between them:

    >>> a, b = np.array([0, 0, 1, 3, 3, 4, 2]), np.array([1, 2, 2, 4, 5, 5, 3])
    >>> communities(6, a, b, np.ones(7)).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    said = weight * (1 + _common(nodes, a, b))
    source, target = np.concatenate([a, b]), np.concatenate([b, a])
    order = np.lexsort((target, source))
    source, target, said = source[order], target[order], np.concatenate([said, said])[order]
    begins = np.searchsorted(source, np.arange(nodes + 1))
    tied = np.flatnonzero(np.diff(begins)).tolist()
    label = np.arange(nodes, dtype=np.int64)
    for _ in range(ROUNDS):
        changed = False
        for node in tied:
            names, place = np.unique(label[target[begins[node] : begins[node + 1]]], return_inverse=True)
            votes = np.bincount(place, weights=said[begins[node] : begins[node + 1]])
            best = names[votes >= votes.max() - 1e-9]
            if label[node] not in best:
                label[node] = best[0]
                changed = True
        if not changed:
            break
    return _bridged(label, a, b, weight)


def _common(nodes: int, a: Ints, b: Ints) -> Ints:
    """How many neighbours the two ends of each edge have in common. Shape (edges,)."""
    source, target = np.concatenate([a, b]), np.concatenate([b, a])
    keys = np.sort(source * nodes + target)
    degree = np.bincount(source, minlength=nodes)
    begins = np.concatenate([[0], np.cumsum(degree)])
    # The neighbours of the end that has fewer are looked up at the other.
    small = np.where(degree[a] <= degree[b], a, b)
    large = a + b - small
    sizes = degree[small]
    edge = np.repeat(np.arange(len(a)), sizes)
    at = ranges(begins[small], sizes)
    wanted = large[edge] * nodes + keys[at] % nodes
    found = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    common: Ints = np.bincount(edge[keys[found] == wanted], minlength=len(a)).astype(np.int64)
    return common


def _bridged(label: Ints, a: Ints, b: Ints, weight: Floats) -> Ints:
    """Communities with many ties between them put together."""
    label = np.unique(label, return_inverse=True)[1].ravel()
    while True:
        count = int(label.max(initial=-1)) + 1
        one, other = np.minimum(label[a], label[b]), np.maximum(label[a], label[b])
        inside = one == other
        within = np.bincount(one[inside], weights=weight[inside], minlength=count)
        usual = within / np.maximum(np.bincount(one[inside], minlength=count), 1)
        pairs, place = np.unique(one[~inside] * count + other[~inside], return_inverse=True)
        between = np.bincount(place.ravel(), weights=weight[~inside], minlength=len(pairs))
        strength = between / np.maximum(np.bincount(place.ravel(), minlength=len(pairs)), 1)
        low, high = pairs // max(count, 1), pairs % max(count, 1)
        # A single account that is tied to a community by one tie is not drawn in: it has nothing inside.
        smaller = np.minimum(within[low], within[high])
        join = (smaller > 0) & (between >= BRIDGE_SHARE * smaller) & (between >= 2)
        join &= strength >= BRIDGE_STRENGTH * np.maximum(usual[low], usual[high])
        if not join.any():
            return label
        label = components(count, low[join], high[join])[label]
