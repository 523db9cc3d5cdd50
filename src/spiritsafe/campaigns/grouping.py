"""Which accounts belong together, given which are linked.

Accounts and the things they share form a two-sided graph; a thing that a thousand accounts share costs a
thousand edges, not half a million pairs. Comes from `links`; goes on to `campaigns.axes`.
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

    Examples
    --------
    >>> components(5, np.array([0, 3]), np.array([1, 4])).tolist()
    [0, 0, 1, 2, 2]
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(a), dtype=np.int8), (a, b)), shape=(nodes, nodes))
    _, labels = connected_components(graph, directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first, kind="stable")] = np.arange(len(first))
    return order[inverse]


def components_by_shared_value(accounts: int, account: Ints, value: Ints) -> Ints:
    """Components of accounts where holding the same value links two accounts.

    Parameters
    ----------
    accounts
        How many accounts there are; they are numbered from 0.
    account, value
        Shape (holdings,). Account number and value (any int64) of each holding.

    Returns
    -------
    Shape (accounts,): each account's component, numbered from 0 by first account.

    Examples
    --------
    >>> components_by_shared_value(4, np.array([0, 2, 3]), np.array([77, 77, 5])).tolist()
    [0, 1, 0, 2]
    """
    if len(account) == 0:
        return np.arange(accounts, dtype=np.int64)
    _, number = np.unique(value, return_inverse=True)
    labels = components(accounts + int(number.max()) + 1, account, number.astype(np.int64) + accounts)
    return components_renumbered(labels[:accounts])


def components_renumbered(labels: Ints) -> Ints:
    """The same partition, numbered from 0 by first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first, kind="stable")] = np.arange(len(first))
    return order[inverse]
