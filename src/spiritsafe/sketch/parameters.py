"""What two sketches must have in common to be comparable. Loads nothing heavy: the request path sketches too.

Comes from `keys` and `settings`; goes on to `sketch.texts` and `sketch.single`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from spiritsafe.sketch.patterns import TextTactic

NORMALISER: Final = "n1"
"""Lower case, NFKC, punctuation to spaces, overlapping threes of unspaced letters. A change is a new name."""


@dataclass(frozen=True, slots=True)
class SketchParameters:
    """All that two sketches must have in common to be comparable. Picklable; `key` is secret.

    `phrase_words` is the length of a phrase in words. Of a prompt's phrases the `phrase_lowest` with the
    smallest hashes are kept (the same choice in every prompt, so that a shared phrase is kept on both
    sides) and `phrase_ends` at each end, where templates begin and end.
    """

    key: bytes = field(repr=False)
    key_id: str
    seed: int = 1
    permutations: int = 32
    phrase_words: int = 4
    phrase_lowest: int = 12
    phrase_ends: int = 2
    tactics: tuple[TextTactic, ...] = ()

    def metadata(self) -> dict[str, str]:
        """What the file says of how it was made; never the key."""
        return {
            "spiritsafe.sketch.hash": "blake2b-64/keyed; phrase 52 bit",
            "spiritsafe.sketch.seed": str(self.seed),
            "spiritsafe.sketch.permutations": str(self.permutations),
            "spiritsafe.sketch.phrase": f"{self.phrase_words}w/{self.phrase_lowest}+2x{self.phrase_ends}",
            "spiritsafe.sketch.normaliser": NORMALISER,
            "spiritsafe.sketch.key_id": self.key_id,
            "spiritsafe.sketch.tactics": ",".join(f"{t.name}@{t.version}" for t in self.tactics),
        }


def tactic_column(name: str) -> str:
    """The sketch column that holds a tactic's score."""
    return f"tactic_{name}"
