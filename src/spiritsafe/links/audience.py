"""Among how many accounts is a phrase rare? Among those that talk as its holders do, not among all.

In a log in which one account in 30 writes Portuguese, the commonest phrases of Portuguese are rare, and strangers who
write it would look like one hand. So the chance that a stranger uses a phrase is counted over its *audience*: the
accounts that say some common phrase which two of its holders say as well, and those that say what a quarter of these
say. No list of languages is kept, and none is told: who talks alike is seen in the log. Comes from `sketch` and
`signals`; goes on to `campaigns.holdings`.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Ints = NDArray[np.int64]

COMMON_SHARE: Final = 1 / 600
COMMON_MINIMUM: Final = 10
"""A phrase is common that one account in 600 has said, and ten at least."""

HOLDERS: Final = 2
HOLDERS_SHARE: Final = 0.1
"""What two of a phrase's holders say, and one in ten of them, is how they talk, if as many others say it: what one says
may be anything, among hundreds a few speak two languages, and what hardly anybody else says is their template."""

THEIRS: Final = 0.25
"""A common phrase of which a quarter of the users talk so is how they talk, too."""

MANY: Final = 0.25
"""Where a quarter of all talk as the holders do they are no minority, and the audience is the log."""

SAMPLE: Final = 2_000
"""So many accounts, evenly chosen, stand for all of a larger log when an audience is counted."""

_AT_ONCE: Final = 2_000
_SETS_AT_ONCE: Final = 8_192


def common_phrases(requests: ir.Table, signals: ir.Table) -> ir.Table:
    """Who has said which common phrase: `account`, `word` (the phrase's number among the common ones).

    Numbers of 32 bits: a log of ten million requests has tens of millions of these pairs.

    Parameters
    ----------
    requests
        Numbered `sketches` rows.
    signals
        One row an account.
    """
    import ibis

    said = requests.select("account", phrase=requests.phrases.unnest()).distinct()
    heard = said.group_by("phrase").agg(users=said.count()).cross_join(signals.agg(accounts=signals.count()))
    least = ibis.greatest(heard.accounts * COMMON_SHARE, float(COMMON_MINIMUM))
    common = heard.filter(heard.users >= least)
    common = common.select("phrase", word=ibis.row_number().over(order_by=common.phrase).cast("int32"))
    pairs = said.inner_join(common, "phrase")
    return pairs.select(account=pairs.account.cast("int32"), word=pairs.word)


def audiences(habits: pa.Table, common: pa.Table, accounts: int) -> Ints:
    """How many accounts talk as the holders of each phrase do.

    Parameters
    ----------
    habits
        `account`, `phrase`: holders of phrases.
    common
        As `common_phrases` computes it.
    accounts
        How many there are in the log; an audience of which nothing is known is all of them.

    Returns
    -------
    Shape (habits,): the audience of each row's phrase, its holders at least.
    """
    phrases, phrase = np.unique(habits["phrase"].to_numpy(), return_inverse=True)
    if not len(phrases):
        return np.empty(0, dtype=np.int64)
    holders = _table(phrase, habits["account"].to_numpy(), (len(phrases), accounts))
    word = common["word"].to_numpy()
    said = _table(common["account"].to_numpy(), word, (accounts, int(word.max(initial=-1)) + 1))
    chosen = np.unique(np.linspace(0, accounts - 1, min(accounts, SAMPLE)).astype(np.int64))
    first, of_phrase = _alike(holders)
    listeners = said[chosen].T.tocsr()
    # Who says nothing common talks alike as often as those who do.
    known = max(int((said[chosen].getnnz(axis=1) > 0).sum()), 1)
    found = _spoken(holders[first], said, listeners, known)[of_phrase]
    size = np.where(found > 0, np.round(found * (accounts / known)), accounts).astype(np.int64)
    return np.clip(size, holders.getnnz(axis=1), accounts)[phrase]


def _spoken(holders: csr_matrix, said: csr_matrix, listeners: csr_matrix, known: int) -> Ints:
    """How many of the listeners talk as the holders of each phrase, of `known` that say anything.

    Shapes (phrases, accounts), (accounts, common phrases) and (common phrases, listeners).
    """
    near, of_phrase = _near(holders, said, listeners)
    first, which = _alike(near)
    near = near[first]
    found = np.full(len(first), known, dtype=np.int64)
    few = np.flatnonzero(near.getnnz(axis=1) < MANY * known)
    words = listeners[_alike(listeners)[0]]  # of phrases that the same listeners say one is enough
    for begin in range(0, len(few), _SETS_AT_ONCE):
        some = few[begin : begin + _SETS_AT_ONCE]
        found[some] = _with_theirs(near[some], words)
    return found[which][of_phrase]


def _near(holders: csr_matrix, said: csr_matrix, listeners: csr_matrix) -> tuple[csr_matrix, Ints]:
    """Who says something that the holders of a phrase have in common: sets of listeners, and which a phrase has.

    What holders have in common is a set of common phrases; all sets at once would take a GiB in a large log.
    """
    from scipy.sparse import vstack

    users, found, which, sets = said.getnnz(axis=0), [], [], 0
    for begin in range(0, holders.shape[0], _AT_ONCE):
        some = holders[begin : begin + _AT_ONCE]
        talk = some @ said
        least = np.maximum(HOLDERS, HOLDERS_SHARE * some.getnnz(axis=1))
        least = np.repeat(least, np.diff(talk.indptr))
        talk.data = ((talk.data >= least) & (2 * talk.data <= users[talk.indices])).astype(np.float32)
        talk.eliminate_zeros()
        first, here = _alike(talk)
        found.append(talk[first] @ listeners)
        which.append(here + sets)
        sets += len(first)
    return vstack(found, format="csr"), np.concatenate(which)


def _with_theirs(near: csr_matrix, words: csr_matrix) -> Ints:
    """How many listeners talk so, with those who say what is theirs: what a quarter of its users say who do.

    Shapes (sets, listeners) and (common phrases, listeners). Counts phrase by phrase over all sets at once: their
    product has a hundred times as many entries as what comes out of it.
    """
    talks = np.ascontiguousarray(near.T.toarray() > 0).view(np.uint8)
    joined = np.packbits(talks, axis=1)
    for begin, end in itertools.pairwise(words.indptr):
        users = words.indices[begin:end]
        count = talks[users].sum(axis=0, dtype=np.uint8 if len(users) < 256 else np.uint16)
        theirs = count >= max(THEIRS * len(users), HOLDERS)
        if theirs.any():
            joined[users] |= np.packbits(theirs)
    spoken: Ints = np.unpackbits(joined, axis=1, count=near.shape[0]).sum(axis=0, dtype=np.int64)
    return spoken


def _alike(table: csr_matrix) -> tuple[Ints, Ints]:
    """One row of each set of columns, and which of them every row has. Sets are compared by a sum of 64 random bits."""
    key = np.random.default_rng(0).integers(0, 2**64 - 1, table.shape[1], dtype=np.uint64)
    total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(key[table.indices], dtype=np.uint64)])
    _, first, which = np.unique(
        total[table.indptr[1:]] - total[table.indptr[:-1]], return_index=True, return_inverse=True
    )
    return first, which


def _table(row: Ints, column: Ints, shape: tuple[int, int]) -> csr_matrix:
    from scipy.sparse import csr_matrix

    return csr_matrix((np.ones(len(row), dtype=np.float32), (row, column)), shape=shape)
