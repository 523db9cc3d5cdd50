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
    Bools = NDArray[np.bool_]

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


def apart_at_one(label: Ints, a: Ints, b: Ints, weight: Floats, *, least: int) -> Ints:
    """Groups that one node holds together, taken apart at it.

    One account that has to do with two groups (a company's that tries a published system prompt) makes no group of
    them. It goes where its ties weigh most.

    Parameters
    ----------
    label
        Shape (nodes,). Each node's group.
    a, b, weight
        Shape (edges,). As for `communities`.
    least
        Parts smaller than this are no groups of their own, and stay with the node that they hang on.

    Returns
    -------
    Shape (nodes,): each node's group, numbered from 0. Deterministic.

    Examples
    --------
    Two triangles that have a corner in common:

    >>> a, b = np.array([0, 0, 1, 2, 2, 3]), np.array([1, 2, 2, 3, 4, 4])
    >>> apart_at_one(np.zeros(5, dtype=np.int64), a, b, np.array([2, 2, 2, 1, 1, 1]), least=2).tolist()
    [0, 0, 0, 1, 1]
    """
    inside = (label[a] == label[b]) & (np.bincount(label) > 2 * least)[label[a]]
    a, b, weight = a[inside], b[inside], weight[inside]
    cut = _cut_nodes(len(label), a, b, least)
    if not cut.any():
        return label
    free = ~(cut[a] | cut[b])
    part = components(len(label), a[free], b[free])
    large = np.bincount(part)[part] >= least
    for node in np.flatnonzero(cut).tolist():
        at = (a == node) | (b == node)
        other = a[at] + b[at] - node
        votes = np.bincount(part[other], weights=weight[at] * (large[other] & ~cut[other]))
        part[node] = int(np.argmax(votes)) if votes.any() else part[node]
    for one, other in ((a, b), (b, a)):
        for end in np.flatnonzero(cut[other] & ~cut[one] & ~large[one]).tolist():
            part[part == part[one[end]]] = part[other[end]]
    apart = np.isin(label, label[cut])
    named: Ints = np.unique(np.where(apart, part + len(label), label), return_inverse=True)[1].ravel()
    return named


def _cut_nodes(nodes: int, a: Ints, b: Ints, least: int) -> Bools:
    """Nodes without which what hangs together falls into parts of which at least two have `least` nodes.

    Source: depth-first search, Hopcroft & Tarjan, Comm. ACM 16 (1973), doi:10.1145/362248.362272.
    """
    source, target = np.concatenate([a, b]), np.concatenate([b, a])
    order = np.lexsort((target, source))
    source, target = source[order], target[order]
    begins = np.searchsorted(source, np.arange(nodes + 1)).tolist()
    ties = target.tolist()
    turn, parent = np.full(nodes, nodes), np.full(nodes, -1)
    visited: list[int] = []
    for root in np.unique(a).tolist():
        path = [(root, -1)]
        while path:
            node, came_from = path.pop()
            if turn[node] == nodes:
                turn[node], parent[node] = len(visited), came_from
                visited.append(node)
                path.extend((other, node) for other in ties[begins[node] : begins[node + 1]])
    # How far back one gets from a node, or from what was reached through it, without the tie it was reached by.
    back = turn.copy()
    around = target != parent[source]
    np.minimum.at(back, source[around], turn[target[around]])
    below, hanging, parts = np.ones(nodes, dtype=np.int64), np.zeros(nodes, dtype=np.int64), np.zeros(nodes, np.int64)
    for node in reversed(visited):
        over = parent[node]
        if over >= 0:
            back[over] = min(back[over], back[node])
            below[over] += below[node]
            if back[node] >= turn[over]:
                hanging[over] += below[node]
                parts[over] += below[node] >= least
    together = np.bincount(components(nodes, a, b))[components(nodes, a, b)]
    cut: Bools = parts + (together - 1 - hanging >= least) >= 2
    return cut


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
