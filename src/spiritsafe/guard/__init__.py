"""guard: what to do with this request, now?

In come a request, a `Roster` that the rooms above publish, and a policy that people write; out goes a `Decision` with
its reasons, its rule, its expiry and where to appeal. It acts on campaigns as one, and on nobody by one kind of
evidence alone. Read `model` for the nouns, `matching` and `ceilings` for what is evidence and how far it goes, `policy`
for the file, `deciding` for `Guard`. It imports no analytical library, and no room that does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spiritsafe.guard.deciding import Guard
    from spiritsafe.guard.model import Answer, Decision, Reason, Request
    from spiritsafe.guard.policy import Policy, PolicyError, Rule, read_policy

_HOMES = {
    "Answer": "model",
    "Decision": "model",
    "Guard": "deciding",
    "Policy": "policy",
    "PolicyError": "policy",
    "Reason": "model",
    "Request": "model",
    "Rule": "policy",
    "read_policy": "policy",
}
__all__ = [
    "Answer",
    "Decision",
    "Guard",
    "Policy",
    "PolicyError",
    "Reason",
    "Request",
    "Rule",
    "read_policy",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
