"""How surprising an account's prompts are to a small language model of innocent traffic.

Reworded or generated prompts may be smoother or odder than people's, and perplexity alone would then find the
campaign. The model counts bytes, so that it reads any language: order 5, interpolated by Witten and Bell.
Comes from `audit_world`; goes on to `audit_checks` and `audit_models`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.proving.audit_accounts import aggregate_columns
from spiritsafe.proving.audit_rows import Columns
from spiritsafe.proving.audit_texts import sample_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from spiritsafe.proving.audit_world import AuditWorld

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bytes = NDArray[np.uint8]

ORDER: Final = 5
MOST_TABLE_BITS: Final = 22  # at most 4 million cells an order; a table is at least twice the text it counts
TRAINING_BYTES: Final = 2_000_000
PROMPTS_AN_ACCOUNT: Final = 6
BYTES_A_PROMPT: Final = 300
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)


class ByteModel:
    """P(byte | the four bytes before it), interpolated down to the uniform.

    `P(w | h) = (count(hw) + types(h) * P(w | shorter h)) / (count(h) + types(h))`, where `types(h)` is how many
    different bytes followed h. Contexts start again at each prompt.

    Source: Witten & Bell (1991), doi:10.1109/18.87000; Chen & Goodman (1999), doi:10.1006/csla.1999.0128.
    """

    def __init__(self, prompts: Sequence[str]) -> None:
        text, place = _join(prompts, TRAINING_BYTES)
        self._bits = min(MOST_TABLE_BITS, max(16, (2 * len(text)).bit_length()))
        cells = 1 << self._bits
        self._pairs: list[Ints] = []
        self._contexts: list[Ints] = []
        self._types: list[Ints] = []
        for length in range(ORDER):
            context = _hashes(text, length)
            there = place >= length
            whole = _mix(context, text)
            _, first = np.unique(whole[there], return_index=True)
            self._pairs.append(np.bincount(self._cell(whole[there]), minlength=cells))
            self._contexts.append(np.bincount(self._cell(context[there]), minlength=cells))
            self._types.append(np.bincount(self._cell(context[there][first]), minlength=cells))

    def bits_a_byte(self, prompts: Sequence[str]) -> Floats:
        """Shape (prompts,). Mean surprise of each prompt in bits a byte; NaN for an empty one."""
        text, place = _join(prompts, None)
        owner = np.cumsum(place == 0) - 1
        likelihood = np.full(len(text), 1 / 256)
        for length in range(ORDER):
            there = place >= length
            context = _hashes(text, length)
            before = self._cell(context)
            types = self._types[length][before]
            seen = self._pairs[length][self._cell(_mix(context, text))]
            total = self._contexts[length][before] + types
            known = there & (total > 0)
            likelihood[known] = (seen[known] + types[known] * likelihood[known]) / total[known]
        full = np.flatnonzero([bool(prompt) for prompt in prompts])
        result = np.full(len(prompts), np.nan)
        if len(text):
            surprise = np.bincount(owner, weights=-np.log2(likelihood))
            result[full] = surprise / np.bincount(owner)
        return result

    def _cell(self, hashes: NDArray[np.uint64]) -> Ints:
        return ((hashes * _MULTIPLIER) >> np.uint64(64 - self._bits)).astype(np.int64)


def _join(prompts: Sequence[str], most: int | None) -> tuple[Bytes, Ints]:
    """All non-empty prompts' bytes in a row, and each byte's place within its prompt."""
    pieces = [prompt.encode("utf-8", "replace")[:BYTES_A_PROMPT] for prompt in prompts if prompt]
    lengths = np.array([len(piece) for piece in pieces], np.int64)
    place = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    text = np.frombuffer(b"".join(pieces), np.uint8)
    return (text, place) if most is None else (text[:most], place[:most])


def _hashes(text: Bytes, length: int) -> NDArray[np.uint64]:
    """Hash of the `length` bytes before each byte (of fewer, at the start)."""
    found = np.full(len(text), np.uint64(length + 1))
    for back in range(length, 0, -1):
        earlier = np.zeros(len(text), np.uint64)
        earlier[back:] = text[:-back]
        found = _mix(found, earlier)
    return found


def _mix(one: NDArray[np.uint64], other: NDArray[np.uint64] | Bytes) -> NDArray[np.uint64]:
    mixed = (one ^ (other.astype(np.uint64) + np.uint64(1))) * _MULTIPLIER
    mixed ^= mixed >> np.uint64(29)
    return mixed


def train_pair(world: AuditWorld) -> tuple[ByteModel, ByteModel]:
    """Two models, from the prompts of innocent accounts with even and with odd numbers.

    An account is then read by the model that has not seen it; otherwise innocents of world A would look
    familiar only because they were learnt by heart.
    """
    rows = sample_rows(world.account, world.accounts, PROMPTS_AN_ACCOUNT)
    innocent = rows[~world.truth.guilty[world.account[rows]]]
    innocent = np.random.default_rng(0).permutation(innocent)
    column = world.requests.column("prompt")
    halves = [innocent[world.account[innocent] % 2 == half] for half in (0, 1)]
    even, odd = (ByteModel([text or "" for text in column.take(half).to_pylist()]) for half in halves)
    return even, odd


def perplexities(world: AuditWorld, models: tuple[ByteModel, ByteModel]) -> dict[str, Floats]:
    """Aggregates over each account's prompts of their surprise in bits a byte, each of shape (accounts,)."""
    rows = sample_rows(world.account, world.accounts, PROMPTS_AN_ACCOUNT)
    owner = world.account[rows]
    prompts = [text or "" for text in world.requests.column("prompt").take(rows).to_pylist()]
    bits = np.full(len(rows), np.nan)
    for half in (0, 1):
        chosen = np.flatnonzero(owner % 2 == half)
        bits[chosen] = models[1 - half].bits_a_byte([prompts[row] for row in chosen])
    columns = Columns(numbers={"perplexity.bits_a_byte": bits})
    return aggregate_columns(columns, owner, world.accounts)
