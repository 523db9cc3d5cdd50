"""How a request is turned away, in the words of the API that was called, so that its clients understand.

It says that it was the provider's decision, under which reference, and where to appeal; of the evidence it says
nothing, for that is in the notice (`case notice`) and not for whoever probes. Comes from decisions; the doors send it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from spiritsafe.guard.gateways.exchanges import ANTHROPIC
from spiritsafe.guard.model import Answer

if TYPE_CHECKING:
    from spiritsafe.guard.model import Decision

_KINDS: Final = {
    Answer.THROTTLE: (429, "rate_limit_error", "rate_limit_exceeded", "Too many requests for now."),
    Answer.CHALLENGE: (
        403,
        "permission_error",
        "verification_required",
        "Please verify your account before you go on.",
    ),
    Answer.BLOCK: (403, "permission_error", "request_refused", "This request was not served under the terms of use."),
}
BUSY: Final = (503, "api_error", "unavailable", "The service cannot take this request now.")
UNREACHABLE: Final = (502, "api_error", "upstream", "The service behind could not be reached.")
TOO_LARGE: Final = (413, "request_too_large", "request_too_large", "The request is too large.")
TOO_SLOW: Final = (408, "timeout_error", "request_timeout", "The request did not arrive in time.")
BROKEN: Final = (400, "invalid_request_error", "invalid_json", "The body is no JSON object.")
ENCODED: Final = (415, "invalid_request_error", "encoding", "Send the body without content-encoding.")
NO_ACCOUNT: Final = (401, "authentication_error", "no_account", "No account was given.")


class Refusal(msgspec.Struct, frozen=True):
    """A response in place of the model's. `text` is what its body says, for doors that make the body themselves."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    text: str


def refusal_of(decision: Decision, api: str, reference: str) -> Refusal:
    """What whoever is throttled, challenged or blocked is told."""
    status, kind, code, text = _KINDS[decision.acted]
    appeal = f" If you think that this is wrong: {decision.appeal_to}." if decision.appeal_to else ""
    headers = [("x-spiritsafe-reference", reference)]
    if decision.acted is Answer.THROTTLE:
        headers.append(("retry-after", str(max(decision.retry_after_s, 1))))
    return refused(api, (status, kind, code, f"{text} Reference {reference}.{appeal}"), tuple(headers))


def refused(api: str, why: tuple[int, str, str, str], headers: tuple[tuple[str, str], ...] = ()) -> Refusal:
    """A response with an error in an API's form. `why`: status, kind, code and text."""
    status, kind, code, text = why
    error: dict[str, Any] = {"type": kind, "message": text}
    if api == ANTHROPIC:
        body: dict[str, Any] = {"type": "error", "error": error}
    else:
        body = {"error": {**error, "param": None, "code": code}}
    own = (("content-type", "application/json"), ("x-should-retry", "true" if status in {429, 503} else "false"))
    return Refusal(status, own + headers, msgspec.json.encode(body), text)
