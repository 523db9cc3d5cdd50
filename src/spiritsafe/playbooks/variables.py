"""The variables of a playbook: which must be given, which may change, and what each may hold.

All values are texts, as CACAO has them; a type says which texts. None names an account: variables are filed with a
run, about nobody, and cannot be erased. Comes from `playbooks.machine`; goes on to nobody.
Source: CACAO 2.0 section 10.18.
"""

from __future__ import annotations

import ipaddress
import json
import re
import uuid
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from spiritsafe.errors import UsageError
from spiritsafe.playbooks.model import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LONGEST: Final = 100_000
_PSEUDONYM: Final = re.compile(r"\bp\d+_[0-9a-f]{32}\b")


class VariableError(UsageError):
    """A variable has no value, is not there, may not change, or its value is not of its type."""

    code = "playbooks.variable"


def begun_variables(document: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """The values with which a run begins; raises `VariableError`."""
    defined: Mapping[str, Mapping[str, Any]] = document.get("playbook_variables", {})
    for name in given:
        _may_set(defined, name)
    values = {name: str(one["value"]) for name, one in defined.items() if one.get("value") is not None}
    values |= given
    missing = sorted(name for name, one in defined.items() if one.get("external") and name not in values)
    if missing:
        raise VariableError(f"{', '.join(missing)} must be given", hint=f"e.g. --set {missing[0]}=VALUE")
    for name, value in values.items():
        _check(name, str(defined[name].get("type", "string")), value)
    return values


def local_variables(step: Mapping[str, Any]) -> dict[str, str]:
    """What a step's own variables hold."""
    held: Mapping[str, Mapping[str, Any]] = step.get("step_variables", {})
    return {name: str(one["value"]) for name, one in held.items() if one.get("value") is not None}


def set_variables(
    document: Mapping[str, Any], step: Mapping[str, Any], values: Mapping[str, str], changes: Mapping[str, str]
) -> dict[str, str]:
    """A playbook's values once a step gave some of them; those of the step's own variables end with it."""
    defined: Mapping[str, Mapping[str, Any]] = document.get("playbook_variables", {})
    own: Mapping[str, Mapping[str, Any]] = step.get("step_variables", {})
    changed = dict(values)
    for name, value in changes.items():
        if name not in step.get("out_args", ()):
            raise VariableError(f"{name[:80]} is none of the step's out_args", hint="see the step in the playbook")
        holder = own if name in own else defined
        _may_set(holder, name)
        _check(name, str(holder[name].get("type", "string")), value)
        if holder is defined:
            changed[name] = value
    return changed


def filled(text: str, values: Mapping[str, str], *, quote: Callable[[str], str] = str) -> str:
    """A text with its variables' values in their places, each through `quote`; raises `VariableError`.

    Examples
    --------
    >>> filled("look at __case__:value", {"__case__": "7"})
    'look at 7'
    """

    def value_of(match: re.Match[str]) -> str:
        if match[0] not in values:
            raise VariableError(f"the variable {match[0]} has no value", hint="a step before must set it")
        return quote(values[match[0]])

    return re.sub(rf"({VARIABLE.pattern})(?::value)?", lambda match: value_of(_named(match)), text)


def _named(match: re.Match[str]) -> re.Match[str]:
    found = VARIABLE.match(match[1] + ":value")
    assert found is not None
    return found


def _may_set(defined: Mapping[str, Mapping[str, Any]], name: str) -> None:
    if name not in defined:
        raise VariableError(
            f"there is no variable {name[:80]}", hint=f"there are: {', '.join(sorted(defined)) or 'none'}"
        )
    if defined[name].get("constant"):
        raise VariableError(f"{name} is constant", hint="it holds what the playbook says")


def _check(name: str, kind: str, value: str) -> None:
    if _PSEUDONYM.search(value):
        raise VariableError(
            f"{name} names an account: what a run remembers is never erased",
            hint="a case knows its accounts; name the case",
        )
    holds = _TYPES.get(kind)
    try:
        good = len(value) <= _LONGEST and (holds is None or holds(value))
    except ValueError:
        good = False
    if not good:
        raise VariableError(
            f"{name} is of the type {kind}, and {value[:60]!r} is not", hint="see its type in the playbook"
        )


def _matches(pattern: str) -> Callable[[str], bool]:
    return lambda value: re.fullmatch(pattern, value) is not None


_TYPES: Final[Mapping[str, Callable[[str], bool]]] = {
    "bool": _matches(r"true|false"),
    "integer": _matches(r"-?\d{1,18}"),
    "long": _matches(r"-?\d{1,38}"),
    "float": _matches(r"-?\d+(\.\d+)?([eE][+-]?\d+)?"),
    "hexstring": _matches(r"([0-9a-fA-F]{2})+"),
    "md5-hash": _matches(r"[0-9a-fA-F]{32}"),
    "sha256-hash": _matches(r"[0-9a-fA-F]{64}"),
    "mac-addr": _matches(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}"),
    "ipv4-addr": lambda value: bool(ipaddress.IPv4Network(value, strict=False)),
    "ipv6-addr": lambda value: bool(ipaddress.IPv6Network(value, strict=False)),
    "uri": lambda value: bool(urlsplit(value).scheme),
    "uuid": lambda value: bool(uuid.UUID(value)),
    "dictionary": lambda value: isinstance(json.loads(value), dict),
}
