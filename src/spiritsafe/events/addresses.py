"""Which address could this be, so that neighbours stay neighbours and nobody is named?

Crypto-PAn: two pseudonymous addresses share exactly as many leading bits as the originals, so a /24 stays a
/24 and shared egress can still be seen. What that gives away stands in docs/explanation/identity.md.
IPv4 and IPv6 have keys of their own. An IPv4 address written as IPv6 (`::ffff:192.0.2.1`) is the IPv4
address; a zone (`fe80::1%eth0`) is dropped, since it names an interface of the machine that logged.
Comes from columns of addresses; goes on to `events.identity`.

Source: Xu, Fan, Ammar & Moon (2002), Prefix-preserving IP address anonymization, doi:10.1109/ICNP.2002.1181415.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY_BYTES: Final = 32

Words = NDArray[np.uint64]
_MAPPED: Final = bytes(10) + b"\xff\xff"
_ZONE_LETTERS: Final = 64
_ALL: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


def packed(text: str) -> bytes | None:
    """An address's 4 or 16 bytes; None when the text is no address.

    Examples
    --------
    >>> packed("192.0.2.1") == packed("::ffff:192.0.2.1")
    True
    >>> packed("fe80::1%eth0") == packed("fe80::1")
    True
    >>> packed("192.0.2.1:443") is packed("unknown") is None
    True
    """
    try:
        if ":" not in text:
            return socket.inet_pton(socket.AF_INET, text)
        address, percent, zone = text.partition("%")
        if percent and not (0 < len(zone) <= _ZONE_LETTERS and zone.isprintable() and " " not in zone):
            return None
        found = socket.inet_pton(socket.AF_INET6, address)
    except (OSError, ValueError):  # ValueError: NUL bytes and lone surrogates
        return None
    return found[12:] if found.startswith(_MAPPED) else found


def unpacked(address: bytes) -> str:
    """The usual text of 4 or 16 bytes (RFC 5952 for IPv6)."""
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


class CryptoPan:
    """Prefix-preserving permutation of the IPv4 and of the IPv6 addresses under one key.

    Bit i of the result is bit i of the address, flipped or not by a pseudo-random function of the bits
    before it. Addresses are worked on together, sorted, so that each distinct prefix costs one AES block:
    one call of AES a bit for the whole batch.

    Parameters
    ----------
    key
        32 bytes: the AES key, then the padding's seed, as in the reference implementation.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a Crypto-PAn key has {KEY_BYTES} bytes, not {len(key)}")
        self._cipher = Cipher(algorithms.AES(key[:16]), modes.ECB())  # noqa: S305 - a PRF on single blocks
        padding = self._cipher.encryptor().update(key[16:])
        self._padding = np.frombuffer(padding, dtype=">u8").astype(np.uint64)

    def hide(self, addresses: Sequence[bytes]) -> list[bytes]:
        """Addresses of one length (4 or 16 bytes) -> their stand-ins, in order. Repeats are worked out once."""
        if not addresses:
            return []
        size = len(addresses[0])
        known = sorted(set(addresses))
        high, low = _words(known, size)
        flips = self._flips(high, low, size * 8)
        hidden = _bytes(high ^ flips[0], low ^ flips[1], size)
        if known == addresses:
            return hidden
        return list(map(dict(zip(known, hidden, strict=True)).__getitem__, addresses))

    def reveal(self, hidden: bytes) -> bytes:
        """The address behind one stand-in. Takes a block of AES a bit: for the few, not the many."""
        size = len(hidden)
        high, low = _words([hidden], size)
        for position in range(size * 8):
            flip = self._flip_at(high, low, position).astype(np.uint64)
            if position < 64:
                high = high ^ (flip << np.uint64(63 - position))
            else:
                low = low ^ (flip << np.uint64(127 - position))
        return _bytes(high, low, size)[0]

    def _flips(self, high: Words, low: Words, bits: int) -> tuple[Words, Words]:
        """Which bits to flip, of distinct addresses in ascending order. Shape (n,) twice."""
        flip_high, flip_low = np.zeros_like(high), np.zeros_like(low)
        differs_high, differs_low = high[1:] ^ high[:-1], low[1:] ^ low[:-1]
        begins = np.ones(len(high), dtype=bool)
        for position in range(bits):
            mask_high, mask_low = _leading(position)
            begins[1:] = ((differs_high & mask_high) | (differs_low & mask_low)) != 0
            first = np.flatnonzero(begins)
            flip = self._flip_at(high[first], low[first], position)
            # Sorted, so equal prefixes stand together: spread each one's bit over its run.
            spread = np.repeat(flip, np.diff(first, append=len(high))).astype(np.uint64)
            if position < 64:
                flip_high |= spread << np.uint64(63 - position)
            else:
                flip_low |= spread << np.uint64(127 - position)
        return flip_high, flip_low

    def _flip_at(self, high: Words, low: Words, position: int) -> NDArray[np.uint8]:
        """The pseudo-random bit of each address's first `position` bits. Shape (n,)."""
        mask_high, mask_low = _leading(position)
        blocks = np.empty((len(high), 2), dtype=">u8")
        blocks[:, 0] = (high & mask_high) | (self._padding[0] & ~mask_high)
        blocks[:, 1] = (low & mask_low) | (self._padding[1] & ~mask_low)
        sealed = self._cipher.encryptor().update(blocks.tobytes())
        bits: NDArray[np.uint8] = np.frombuffer(sealed, dtype=np.uint8)[::16] >> np.uint8(7)
        return bits


def _leading(count: int) -> tuple[np.uint64, np.uint64]:
    """128 bits with the first `count` set, as two words."""
    mask = ((1 << count) - 1) << (128 - count)
    return np.uint64(mask >> 64), np.uint64(mask & int(_ALL))


def _words(addresses: Sequence[bytes], size: int) -> tuple[Words, Words]:
    """Addresses as the leading bits of 128-bit numbers, in two words."""
    joined = b"".join(addresses)
    if size == 4:
        high = np.frombuffer(joined, dtype=">u4").astype(np.uint64) << np.uint64(32)
        return high, np.zeros_like(high)
    both = np.frombuffer(joined, dtype=">u8").astype(np.uint64).reshape(-1, 2)
    return both[:, 0].copy(), both[:, 1].copy()


def _bytes(high: Words, low: Words, size: int) -> list[bytes]:
    if size == 4:
        joined = (high >> np.uint64(32)).astype(">u4").tobytes()
    else:
        joined = np.stack([high, low], axis=1).astype(">u8").tobytes()
    return [joined[at : at + size] for at in range(0, len(joined), size)]
