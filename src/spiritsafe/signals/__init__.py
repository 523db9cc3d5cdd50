"""signals: what does one request show, and one account?

In come `sketches`; out goes one row an account: how much, when, with what, and how much of it looks like a
known tactic. No signal accuses anyone: tactics rank and explain, coordination is for `links` to show. Read
`actors` for whose row it is, `tactics` for what a tactic is, `catalogue` for those that are looked for, `batch` for
the table and `online` for the same on one request at a time; then go on to `links`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spiritsafe.signals.batch import account_signals
    from spiritsafe.signals.catalogue import TACTICS
    from spiritsafe.signals.online import OnlineTactics
    from spiritsafe.signals.tactics import Repeats, Setting, Tactic, TacticPlugin, installed_tactics, text_tactics

_HOMES = {
    "account_signals": "batch",
    "OnlineTactics": "online",
    "Repeats": "tactics",
    "Setting": "tactics",
    "TACTICS": "catalogue",
    "Tactic": "tactics",
    "TacticPlugin": "tactics",
    "installed_tactics": "tactics",
    "text_tactics": "tactics",
}
__all__ = [
    "TACTICS",
    "OnlineTactics",
    "Repeats",
    "Setting",
    "Tactic",
    "TacticPlugin",
    "account_signals",
    "installed_tactics",
    "text_tactics",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
