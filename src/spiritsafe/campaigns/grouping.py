"""Which accounts belong together, given which are linked.

Comes from `holdings` and `draws`, which say who is tied to whom; goes on to `facts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


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
