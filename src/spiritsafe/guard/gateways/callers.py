"""Whose request is it, and from which address? Told by headers only as far as they are trusted.

An address in `X-Forwarded-For` was written by whoever sent the request, but for the hops that are ours: with n trusted
hops it is the n-th from the right. Without any the peer's own address counts and the header does not. The account is
what a header says that our gateway sets, or what an API key is registered for; the key itself is kept nowhere. Comes
from the doors; goes on to `guard.model.Request`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import msgspec

from spiritsafe.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEY_PREFIX: Final = "key-"
"""An account of which only its API key is known is named by it: this, and 128 bits of the key's hash."""


class KeyAccountsError(InputError):
    """The file that says which account an API key is of cannot be read."""

    code: ClassVar[str] = "guard.key_accounts"


class KeyAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose an API key is, and what is known of the account."""

    account_id: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    plan: str | None = None
    organization_id: str | None = None
    organization_verified: bool | None = None
    verified: bool | None = None
    account_created_us: int | None = None


@dataclass(frozen=True, slots=True)
class Trust:
    """What a door believes: `account_header` names the header in which our gateway says whose request it is ("" is
    none), `hops` how many proxies of ours stand in front, `fingerprint_header` where the last of them writes the TLS
    client's JA4 ("" is none). `keys`: SHA-256 of an API key, in hexadecimal, to its account."""

    account_header: str = ""
    hops: int = 0
    fingerprint_header: str = ""
    keys: Mapping[str, KeyAccount] = field(default_factory=dict)


@dataclass(slots=True)
class Caller:
    """Who calls; `account_id` is None where nothing says so."""

    account_id: str | None = None
    client_ip: str | None = None
    user_agent: str | None = None
    ja4: str | None = None
    facts: KeyAccount | None = None

    def known(self) -> dict[str, Any]:
        """What `Request` takes of it, but for the account."""
        told: dict[str, Any] = {"client_ip": self.client_ip, "user_agent": self.user_agent, "ja4": self.ja4}
        if self.facts is not None:
            told |= {name: value for name, value in msgspec.structs.asdict(self.facts).items() if name != "account_id"}
        return told


def caller_of(headers: Mapping[str, str], peer: str | None, trust: Trust) -> Caller:
    """Who calls.

    Parameters
    ----------
    headers
        By lower-case name; of several of one name, joined by commas.
    peer
        The address of whoever is connected.
    trust
        What is believed.

    Examples
    --------
    >>> spoofed = {"x-forwarded-for": "192.0.2.1, 198.51.100.7"}
    >>> caller_of(spoofed, "203.0.113.9", Trust()).client_ip
    '203.0.113.9'
    >>> caller_of(spoofed, "203.0.113.9", Trust(hops=1)).client_ip
    '198.51.100.7'
    """
    caller = Caller(client_ip=_address(headers, peer, trust), user_agent=headers.get("user-agent"))
    if trust.fingerprint_header:
        caller.ja4 = headers.get(trust.fingerprint_header)
    if trust.account_header:
        caller.account_id = headers.get(trust.account_header) or None
        return caller
    key = _api_key(headers)
    if key is not None:
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        caller.facts = trust.keys.get(digest)
        caller.account_id = caller.facts.account_id if caller.facts else KEY_PREFIX + digest[:32]
    return caller


def read_key_accounts(path: Path) -> dict[str, KeyAccount]:
    """`{"<SHA-256 of the key>": {"account_id": ..., "plan": ...}}`; raises `KeyAccountsError`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, KeyAccount])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise KeyAccountsError(
            f"cannot read whose the API keys are from {path}: {error}",
            hint='a JSON object: {"<sha256 of the key>": {"account_id": "...", "plan": "..."}}',
        ) from error


def _address(headers: Mapping[str, str], peer: str | None, trust: Trust) -> str | None:
    if not trust.hops:
        return peer
    hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    return hops[-trust.hops] if len(hops) >= trust.hops else None


def _api_key(headers: Mapping[str, str]) -> str | None:
    given = headers.get("x-api-key")
    if given:
        return given
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None
