"""What a text says in base 16, 32 or 64, wherever in it that begins.

Runs are read character by character; blanks and line ends inside them are passed over, so that a run may be broken up.
Every place at which a byte could begin is tried at once, since nobody says where the run began; the wrong ones say
nothing that makes sense. Comes from `checking`; goes on to `chains`.

Source: RFC 4648, sections 4 to 8.
"""

from __future__ import annotations

from typing import Final

SHORTEST: Final = 16
"""Shorter runs are not read."""

_BLANK: Final = frozenset(" \t\r\n")


class BaseDecoder:
    """Reads one base.

    Parameters
    ----------
    digits
        Digit to its value.
    bits
        Bits that a digit has.
    passed_over
        Characters that may stand between digits.

    Examples
    --------
    The end of what was written so is a blank:

    >>> base64_decoder().feed("d2FpdCwgc28gaXQgaXM=")[0]
    'wait, so it is '
    """

    def __init__(self, digits: dict[str, int], bits: int, passed_over: frozenset[str] = _BLANK) -> None:
        self._digits, self._bits, self._passed_over = digits, bits, passed_over
        self._step = 8 // _common(bits, 8)
        self._run = 0
        self._tail = 0
        """The last digits of the run as one number; never more than are needed for a byte."""
        self._first: list[str] = []
        """Digits of a run that is short yet: what is short says nothing."""

    @property
    def places(self) -> int:
        """How many places a byte can begin at."""
        return self._step

    def feed(self, text: str) -> list[str]:
        """What more of the text says, read from each place. What is no printable ASCII becomes a blank."""
        said: list[list[str]] = [[] for _ in range(self._step)]
        for character in text:
            if character in self._digits:
                if len(self._first) < SHORTEST:
                    self._first.append(character)
                    if len(self._first) == SHORTEST:
                        for digit in self._first:
                            self._digit(self._digits[digit], said)
                else:
                    self._digit(self._digits[character], said)
            elif character not in self._passed_over:
                self._first = []
                if self._run:
                    self._run = self._tail = 0
                    for letters in said:
                        letters.append(" ")
        return ["".join(letters) for letters in said]

    def _digit(self, value: int, said: list[list[str]]) -> None:
        """One more digit of the run: the bytes that it makes whole."""
        bits = self._bits
        self._run += 1
        self._tail = (self._tail << bits | value) & 0xFFFF
        for place in range(self._step):
            # Of what was read from this place on, bits that no byte took yet. A byte is whole when these are eight.
            had = (self._run - place) * bits
            if had >= 8 and had % 8 < bits:
                byte = self._tail >> had % 8 & 0xFF
                said[place].append(chr(byte) if 0x20 <= byte < 0x7F else " ")


def _common(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a


def _alphabet(letters: str, **more: int) -> dict[str, int]:
    return {letter: value for value, letter in enumerate(letters)} | more


_UPPER: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_64: Final = _alphabet(_UPPER + _UPPER.lower() + "0123456789+/") | {"-": 62, "_": 63}
_32: Final = _alphabet(_UPPER + "234567")
_16: Final = _alphabet("0123456789abcdef") | {letter: value for value, letter in enumerate("ABCDEF", 10)}


def base64_decoder() -> BaseDecoder:
    """Reads base64, and base64url."""
    return BaseDecoder(_64, 6)


def base32_decoder() -> BaseDecoder:
    """Reads base32 in capitals, as the standard has it."""
    return BaseDecoder(_32, 5)


def base16_decoder() -> BaseDecoder:
    """Reads hexadecimal numbers, also with `%`, `\\x`, commas, colons or hyphens between bytes."""
    return BaseDecoder(_16, 4, _BLANK | frozenset("%\\x,:-"))
