"""Commands of the type `http-api`: one request over TLS to a host that this home lists, and to no other.

Nothing is followed that the answer points to, no proxy and no environment is asked, and the answer is read to a limit.
The request carries an `Idempotency-Key`; one that could not be delivered, or that the receiver could not deal with just
now (408, 425, 429, 5xx), waits and is tried again with the same key. Secrets are files in the home's folder `secrets`.
Comes through the door `spiritsafe.executors`; goes on to the network.
Source: CACAO 2.0 sections 5.7 (HTTP API command), 6 (authentication), 7.6 (HTTP API agent).
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from spiritsafe.keys.guarded import read_guarded
from spiritsafe.playbooks.orders import CommandError, Reach, RefusedCallError, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spiritsafe.playbooks.orders import Home, Order, Touches

TIMEOUT_S: Final = 30
_MOST_BYTES: Final = 1 << 20
_LATER: Final = frozenset({408, 425, 429})
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADER: Final = re.compile(r"[\x20-\x7e]*")
_OURS: Final = frozenset(
    {"idempotency-key", "authorization", "host", "content-length", "transfer-encoding", "connection"}
)


class HttpExecutor:
    """Carries out `http-api` commands."""

    api_version = 1
    touches: Touches = "outside"

    def check(self, command: Mapping[str, Any], receiver: Mapping[str, Any], home: Home, case_id: str) -> None:  # noqa: ARG002 - the Protocol's
        """Raise `CommandError` or `RefusedCallError` where it names no listed host, or sets a header of ours."""
        base_of(receiver, home)
        for name in command.get("headers", {}):
            if name.lower() in _OURS:
                raise CommandError(f"the header {name[:60]} is set by the program", hint="leave it out")

    def reach(self, order: Order, home: Home) -> Reach:  # noqa: ARG002 - the Protocol's
        """Which accounts a request touches its receiver knows, and nobody here."""
        return Reach()

    def execute(self, order: Order, home: Home) -> Result:
        """Send the request; values of out_args are members of the answer (`__case_id__` is its `case_id`)."""
        method, target = str(order.command["command"]).split()[:2]
        content = order.command.get("content")
        body = base64.b64decode(order.command.get("content_b64", "")) if content is None else str(content).encode()
        headers = {name: ", ".join(values) for name, values in order.command.get("headers", {}).items()}
        if any(not _HEADER.fullmatch(value) for value in headers.values()):
            raise CommandError("a header would have a control character in it", hint="see the variables' values")
        return send(order, home, method, target, body=body, headers=headers)

    def undo(self, order: Order, home: Home, *, reason: str) -> str:  # noqa: ARG002 - the Protocol's
        """Nobody here knows how the receiver takes it back."""
        return f"{order.command['command']} was sent; take it back at the receiver"


EXECUTOR: Final = HttpExecutor()


def base_of(receiver: Mapping[str, Any], home: Home) -> tuple[str, int, str]:
    """Host, port and path of a receiver's one address; raises `RefusedCallError` where its host is not listed."""
    address = receiver.get("address", {})
    addresses = [*address.get("url", ()), *(f"https://{name}" for name in address.get("dname", ()))]
    if receiver.get("type") != "http-api" or len(addresses) != 1:
        raise CommandError(
            "an http-api command needs an http-api target or agent with one address (url or dname)",
            hint="see the step's target, and its agent",
        )
    try:
        parts = urlsplit(addresses[0])
        host, port = parts.hostname or "", parts.port or int(receiver.get("port", 443))
    except ValueError as error:
        raise CommandError(f"{addresses[0][:80]!r} is no address with a port", hint="see the step's target") from error
    if parts.scheme != "https" or not {host, f"{host}:{port}"} & set(home.settings.playbook_hosts):
        raise RefusedCallError(
            f"the host {host[:100]} is not among those that playbooks may call here",
            hint="list it in playbook_hosts of spiritsafe.toml, once you know whose it is",
        )
    return host, port, parts.path.rstrip("/")


def send(
    order: Order, home: Home, method: str, target: str, *, body: bytes, headers: Mapping[str, str], undo: bool = False
) -> Result:
    """One request; raises `RefusedCallError` where its host is not listed."""
    host, port, path = base_of(order.receiver, home)
    key = f"{order.key}-undo" if undo else order.key
    sent = {"User-Agent": "spiritsafe", **headers, "Idempotency-Key": f'"{key}"', **_authorization(order, home)}
    connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=ssl.create_default_context())
    try:
        connection.request(method, path + target, body=body or None, headers=sent)
        answer = connection.getresponse()
        data = answer.read(_MOST_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        return Result("waiting", f"{host} cannot be reached ({type(error).__name__}); `playbook resume` tries again")
    finally:
        connection.close()
    line = f"{method} {host}{path}{target}: {answer.status}"
    if answer.status in _LATER or answer.status >= 500:
        return Result("waiting", f"{line}; `playbook resume` tries again")
    if not 200 <= answer.status < 300:
        return Result("failed", line)
    return Result("done", line, _values(order, data))


def _values(order: Order, data: bytes) -> dict[str, str]:
    if not order.out_args:
        return {}
    try:
        found = json.loads(data) if len(data) <= _MOST_BYTES else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise CommandError("the answer is no JSON object, and values are expected from it", hint="ask its receiver")
    named = {name: found.get(name.strip("_")) for name in order.out_args}
    return {name: _text(value) for name, value in named.items() if value is not None}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _authorization(order: Order, home: Home) -> dict[str, str]:
    """The header with which the receiver knows us, its secret from a private file."""
    wanted = order.authentication
    if not wanted:
        return {}
    name = str(wanted.get("kms_key_identifier", ""))
    if wanted.get("type") not in {"http-basic", "oauth2"} or not wanted.get("kms") or not _NAME.fullmatch(name):
        raise CommandError(
            "secrets come from this home: http-basic or oauth2 with kms and a kms_key_identifier",
            hint="kms_key_identifier is the name of a file in the home's folder `secrets`",
        )
    secret = read_guarded(home.settings.open_home() / "secrets" / name).strip()
    if wanted["type"] == "oauth2":
        return {"Authorization": f"Bearer {secret.decode('ascii', 'strict')}"}
    return {"Authorization": f"Basic {base64.b64encode(secret).decode()}"}
