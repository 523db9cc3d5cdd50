"""Which calls are exchanges with a model, and what does one ask? By path and body, as the two common APIs have it.

Bodies are read as logs of the same APIs are (`events.sources.messages`), so that the gateway sees what a scan will see.
What cannot be read here is not passed on to a server that might read it otherwise. Comes from the doors; goes on to
`guard.model.Request`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import msgspec

from spiritsafe.errors import InputError
from spiritsafe.events.sources.messages import asked, note_parameters
from spiritsafe.guard.model import Request

OPENAI: Final = "openai"
ANTHROPIC: Final = "anthropic"


class BodyError(InputError):
    """A call's body is no JSON object."""

    code: ClassVar[str] = "guard.body"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A call that asks a model: the end of its path, whose API it is of, its operation as OpenTelemetry names it, and
    where its input is."""

    path_end: str
    api: str
    operation: str
    input_key: str


ENDPOINTS: Final = {
    one.path_end: one
    for one in (
        Endpoint("chat/completions", OPENAI, "chat", "messages"),
        Endpoint("completions", OPENAI, "text_completion", "prompt"),
        Endpoint("responses", OPENAI, "chat", "input"),
        Endpoint("embeddings", OPENAI, "embeddings", "input"),
        Endpoint("messages", ANTHROPIC, "chat", "messages"),
    )
}
"""Ends of paths, behind a version or a deployment; what else is called is let through unread."""

_PATH: Final = re.compile(
    r"/(?:v\d+\w*|openai/deployments/[^/]+)/(chat/completions|completions|responses|embeddings|messages)"
    r"|/(?:.*/)?(chat/completions)"
)
_SLASHES: Final = re.compile(r"/(?:\./|/)+")
_FIELDS: Final = frozenset(field.name for field in msgspec.structs.fields(Request))
_WHOLE_NUMBERS: Final = frozenset({"max_tokens", "choice_count", "turn", "image_count"})


def endpoint_of(path: str) -> Endpoint | None:
    """The exchange that a path is of, or None. Paths that a server may take for one are taken for it too.

    Examples
    --------
    >>> endpoint_of("/v1/chat/completions").api, endpoint_of("/anthropic/v1//messages/").api
    ('openai', 'anthropic')
    >>> endpoint_of("/v1/models"), endpoint_of("/v1/messages/batches")
    (None, None)
    """
    plain = _SLASHES.sub("/", path).rstrip("/").lower()
    found = _PATH.search(plain)
    if found is None or found.end() != len(plain):
        return None
    return ENDPOINTS[found[1] or found[2]]


def body_of(data: bytes) -> dict[str, Any]:
    """A body as an object, read as strictly as it must be and as leniently as servers in Python do; `BodyError`."""
    try:
        body = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        try:
            body = json.loads(data)  # NaN, half a surrogate pair, a byte-order mark
        except (ValueError, RecursionError) as error:
            raise BodyError("the body is no JSON", hint="send a JSON object") from error
    if not isinstance(body, dict):
        raise BodyError("the body is no JSON object", hint="send a JSON object")
    return body


def request_of(endpoint: Endpoint, body: dict[str, Any], **known: Any) -> Request:
    """A call as the guard sees it. `known` is what the door knows beside the body.

    A value of another type than the contract has is left out: it is not known.
    """
    row: dict[str, Any] = {"operation": endpoint.operation, "model": _text(body.get("model"))}
    given = body.get(endpoint.input_key)
    if endpoint.operation in {"text_completion", "embeddings"} and isinstance(given, list):
        given = "\n".join(one for one in given if isinstance(one, str)) or None
    system = body.get("system") if endpoint.api == ANTHROPIC else body.get("instructions")
    asked(given, system=system).into(row)
    note_parameters(row, body, whole=True)
    row["end_user_id"] = _end_user(endpoint, body)
    checked = {name: value for name, value in row.items() if name in _FIELDS and _fits(name, value)}
    return Request(**{**checked, **known})


def _fits(name: str, value: Any) -> bool:
    if name in _WHOLE_NUMBERS:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31
    if name == "temperature":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return True


def _end_user(endpoint: Endpoint, body: dict[str, Any]) -> str | None:
    if endpoint.api == ANTHROPIC:
        metadata = body.get("metadata")
        return _text(metadata.get("user_id")) if isinstance(metadata, dict) else None
    return _text(body.get("safety_identifier")) or _text(body.get("user"))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
