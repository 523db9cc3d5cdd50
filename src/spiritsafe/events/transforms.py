"""How one source cell becomes one contract cell: a small fixed vocabulary, named in mapping files.

Logs keep a request's messages in a dozen shapes (OpenAI chat and Responses, Anthropic, Gemini, Bedrock,
OpenTelemetry parts). A transform takes a cell as it was logged, nested or as JSON text, and gives text, a
number or a truth value; what it cannot read becomes null, never an exception. There is no way to name code
of one's own here: a mapping file is data.
Comes from `events.mapping`; goes on to `events.reshape`.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa

from spiritsafe.events.sources.messages import Asked, answer_of, asked, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BODY_KEYS: Final = ("messages", "contents", "input", "prompt", "inputs", "query")
_SYSTEM_KEYS: Final = ("system", "instructions", "systemInstruction", "system_instruction")
_WRAPS_MAX: Final = 3
# JSON may nest anything in anything.
_UNFORESEEN: Final = (TypeError, ValueError, AttributeError, KeyError, IndexError, RecursionError)


@dataclass(frozen=True, slots=True)
class Transform:
    """One word of the vocabulary. `result` is text, integer or boolean; `cell` maps one decoded cell.

    `decodes` says that text which is JSON is decoded first. Call `apply`, which turns what `cell` cannot read
    into null. `picks` is set where a cell's messages are read; then several columns can share one reading.
    """

    name: str
    result: str
    note: str
    cell: Callable[[Any, int], Any]
    decodes: bool = True
    picks: Callable[[Asked], Any] | None = None

    def apply(self, cell: Any, hop: int = 1) -> Any:
        """The result for one cell of a source column; None where it cannot be read."""
        if cell is None and self.result != "boolean":
            return None
        try:
            return self.cell(decoded(cell) if self.decodes else cell, hop)
        except _UNFORESEEN:
            return None

    def gives(self, kind: pa.DataType) -> bool:
        """Whether a column of this type can take the result."""
        fits: dict[str, bool] = {
            "text": pa.types.is_string(kind),
            "integer": pa.types.is_integer(kind),
            "boolean": pa.types.is_boolean(kind),
        }
        return fits[self.result]


def decoded(cell: Any) -> Any:
    """The value that a JSON text stands for; anything else, and JSON that is broken, as it is."""
    if isinstance(cell, str) and cell[:1] in "{[" and cell:
        try:
            return msgspec.json.decode(cell)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return cell
    return cell


def as_text(value: Any) -> str | None:
    """A decoded value as one text: scalars plainly, structures as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.hex()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, dict | list | tuple):
        try:
            return msgspec.json.encode(value, order="deterministic").decode("utf-8")
        except (TypeError, ValueError, RecursionError):
            return None
    return str(value)


# --- messages: `events.sources.messages` reads them, here only where they stand ---------------------------


def asked_of(cell: Any) -> Asked:
    """What a cell asks that holds a list of messages, one message, a whole request body or plain text."""
    if cell is None:
        return _NOTHING
    try:
        return _asked(decoded(cell))
    except _UNFORESEEN:
        return _NOTHING


_NOTHING: Final = Asked()


def _asked(cell: Any) -> Asked:
    system = None
    for _ in range(_WRAPS_MAX):
        if isinstance(cell, dict) and "role" not in cell:
            system = next((decoded(cell[key]) for key in _SYSTEM_KEYS if cell.get(key) is not None), system)
            cell = decoded(next((cell[key] for key in _BODY_KEYS if cell.get(key) is not None), None))
    return asked(cell, system=system)


def _image_count(found: Asked) -> int | None:
    return None if found is _NOTHING else found.image_count


def _messages(name: str, result: str, note: str, picks: Callable[[Asked], Any]) -> Transform:
    """A transform that picks from what a cell's messages ask."""
    return Transform(name, result, note, lambda cell, _: picks(_asked(cell)), picks=picks)


def _response_text(cell: Any, _: int) -> str | None:
    if isinstance(cell, list) and cell and all(isinstance(part, dict) and "type" in part for part in cell):
        parts = [part for part in cell if "role" not in part]
        if parts:  # content parts, as Anthropic has them beside `stop_reason`
            cell = {"content": parts}
    if isinstance(cell, dict):
        for key in ("message", "generations"):
            if "content" not in cell and cell.get(key) is not None:
                return _response_text(decoded(cell[key]), 0)
    return answer_of(cell)[0]


def _plain_text(cell: Any, _: int) -> str | None:
    return text_of(cell)


# --- the rest ---------------------------------------------------------------------------------------------


def _hash64(cell: Any, _: int) -> int | None:
    """64 bits of BLAKE2b over the canonical JSON (keys sorted), as a signed integer."""
    text = as_text(cell)
    if not text:
        return None
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True)


def _fingerprint(cell: Any, _: int) -> str | None:
    """128 bits of SHA-256 as hex. Not keyed: it keeps a secret out of the results, it does not hide an id."""
    text = as_text(cell)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32] if text else None


def _present(cell: Any, _: int) -> bool:
    return cell not in (None, "", False, 0) and cell not in (
        [],
        {},
        "null",
        "none",
        "None",
        "false",
        "[]",
        "{}",
    )


def _first(cell: Any, _: int) -> str | None:
    if isinstance(cell, list):
        return as_text(cell[0]) if cell else None
    text = as_text(cell)
    return text.partition(",")[0].strip() if text else None


def _less_one(cell: Any, _: int) -> int | None:
    try:
        return int(str(cell)) - 1
    except ValueError:
        return None


def _digits(cell: Any, _: int) -> int | None:
    found = re.search(r"\d{1,18}", as_text(cell) or "")
    return int(found.group()) if found else None


def _without_port(cell: Any, _: int) -> str | None:
    text = as_text(cell)
    return address(text) or text if text else None


def address(text: str) -> str | None:
    """The IP address in `text`, which may carry a port, brackets or quotes; None when there is none."""
    text = text.strip().strip('"').strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def _forwarded_for(cell: Any, hop: int) -> str | None:
    """The `hop`-th address from the right of an X-Forwarded-For or Forwarded header.

    Each proxy appends the address that it saw, so only entries from the right, one a proxy of your own, can
    be believed; what stands further left is whatever the client chose to send (RFC 7239, section 8.1).
    """
    hops = list(_hops(cell))
    return hops[-hop] if len(hops) >= hop else None


def _hops(cell: Any) -> Iterator[str | None]:
    """The entries from left to right; one that is no address ("unknown") keeps its place."""
    text = ",".join(map(str, cell)) if isinstance(cell, list) else as_text(cell)
    for entry in (text or "").split(","):
        pairs = [pair.strip() for pair in entry.split(";")]
        named = [pair[4:] for pair in pairs if pair[:4].lower() == "for="]
        yield address(named[0] if named else entry)


TRANSFORMS: Final[dict[str, Transform]] = {
    t.name: t
    for t in (
        _messages(
            "last_user_message",
            "text",
            "the newest user message of a messages array or request body",
            lambda found: found.prompt,
        ),
        _messages(
            "system_message", "text", "the system and developer messages, joined", lambda found: found.system_prompt
        ),
        _messages(
            "assistant_prefill",
            "text",
            "the last message where the caller wrote it for the model",
            lambda found: found.assistant_prefill,
        ),
        _messages(
            "turn_of_messages", "integer", "how many user messages stand before the newest", lambda found: found.turn
        ),
        _messages("count_images", "integer", "how many images the messages hold", _image_count),
        Transform("text", "text", "the plain text of content parts: no tool results, no images", _plain_text),
        Transform("response_text", "text", "the answer in a response body or list of choices", _response_text),
        Transform("hash64", "integer", "64 bits of BLAKE2b over the canonical JSON", _hash64),
        Transform(
            "fingerprint",
            "text",
            "128 bits of SHA-256, for keys and secrets logged in clear",
            _fingerprint,
            decodes=False,
        ),
        Transform("present", "boolean", "true where there is something: not null, empty, 0 or false", _present),
        Transform("first", "text", "the first of a list or of a comma-separated text", _first),
        Transform("digits", "integer", "the first whole number in a text (`AS64496 Example`)", _digits, decodes=False),
        Transform("less_one", "integer", "a count from 1 as a count from 0", _less_one, decodes=False),
        Transform("without_port", "text", "the address without port and brackets", _without_port, decodes=False),
        Transform(
            "forwarded_for",
            "text",
            "the `hop`-th address from the right of X-Forwarded-For",
            _forwarded_for,
            decodes=False,
        ),
    )
}
