"""sketch: what is a prompt in a few fixed-size numbers?

In come batches of `requests`; out go the same rows without any text, with a skeleton, a MinHash, rare-phrase
candidates and tactic scores. Everything that is ever read from prompt text is read here, once, by one
implementation that batch and request path share. Read `model` for the nouns, `texts` for the computation,
`table` for how a whole log is sketched on all cores; then go on to `signals`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spiritsafe.sketch.model import sketches_schema
    from spiritsafe.sketch.parameters import SketchParameters
    from spiritsafe.sketch.patterns import TextTactic
    from spiritsafe.sketch.table import SketchReport, write_sketches
    from spiritsafe.sketch.texts import TextSketcher

_HOMES = {
    "SketchParameters": "parameters",
    "TextTactic": "patterns",
    "sketches_schema": "model",
    "TextSketcher": "texts",
    "SketchReport": "table",
    "write_sketches": "table",
}
__all__ = [
    "SketchParameters",
    "SketchReport",
    "TextSketcher",
    "TextTactic",
    "sketches_schema",
    "write_sketches",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
