"""proving: how good is all this, on traffic whose truth we know?

In: real prompts, real clients' timing, real network ranges, and a recipe. Out: a folder with the contract's
tables and, apart from them, the truth; then scores, an audit that the test is fair, and campaigns planted in your
own logs. It writes log rows; it never asks a model anything. Read `compose` next, then `campaigns` and `profiles`.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

_NAMES: Final = {
    "Recipe": "spiritsafe.proving.recipes",
    "load_recipe": "spiritsafe.proving.recipes",
    "compose_world": "spiritsafe.proving.world",
}


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(name)
    return getattr(importlib.import_module(_NAMES[name]), name)
