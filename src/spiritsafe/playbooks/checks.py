"""What schemas cannot say of a playbook: that it hangs together, ends, and calls nobody whom it does not name.

Every step that is named is there, is reached, and leads to an end; branches end on ends of their own; nothing runs in a
circle (a while step is how a playbook repeats); variables, agents, targets and markings that are used are defined;
conditions can be read; and whom an http-api step calls stands in the playbook and is put together from no variable.
Comes from `playbooks.reading`; goes on to nobody.
Source: CACAO 2.0 sections 4 (steps, branches), 5 and 7 (commands, agents), 10.18 (variables).
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from spiritsafe.playbooks.conditions import ConditionError, parse_condition, variables_in
from spiritsafe.playbooks.model import VARIABLE, Fault, Step, texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_REQUEST: Final = re.compile(r"(GET|POST|PUT|PATCH|DELETE|HEAD) (/[^\s]*)(?: HTTP/1\.[01])?")
_SECRETS: Final = frozenset({"password", "token", "client_secret"})
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def faults_in(document: Mapping[str, Any]) -> list[Fault]:
    """Every fault of a document that OASIS' schemas accept."""
    steps = {key: Step(key, body["type"], body) for key, body in document["workflow"].items()}
    faults = [*_missing(document, steps), *_definitions(document, steps)]
    if not any(fault.what.endswith("not there") for fault in faults):
        faults += [*_circles(steps), *_ends(document, steps)]
    faults += [*_dates(document), *_secrets(document)]
    return [*faults, *_conditions(steps), *_variables(document, steps), *_calls(document, steps)]


def _missing(document: Mapping[str, Any], steps: Mapping[str, Step]) -> Iterator[Fault]:
    """Steps that are named and not there, of another type than they must be, or lead nowhere."""
    start = document["workflow_start"]
    if start not in steps or steps[start].type != "start":
        yield Fault("/workflow_start", f"there is no start step {start}")
    if sum(step.type == "start" for step in steps.values()) > 1:
        yield Fault("/workflow", "there are several start steps")
    exception = document.get("workflow_exception")
    if exception is not None and exception not in steps:
        yield Fault("/workflow_exception", f"there is no step {exception}")
    for key, step in steps.items():
        for other in (*step.follows, *step.branches):
            if other not in steps:
                yield Fault(f"/workflow/{key}", f"it leads to {other}, which is not there")
            elif steps[other].type == "start":
                yield Fault(f"/workflow/{key}", "it leads back to the start")
        if step.type != "end" and not step.follows:
            yield Fault(f"/workflow/{key}", "it does not say what follows (on_completion, or on_success)")


def _definitions(document: Mapping[str, Any], steps: Mapping[str, Step]) -> Iterator[Fault]:
    """Agents, targets, markings and authentication that are used and not defined."""
    agents, targets = document.get("agent_definitions", {}), document.get("target_definitions", {})
    for key, step in steps.items():
        agent = step.body.get("agent")
        if agent is not None and agent not in agents:
            yield Fault(f"/workflow/{key}/agent", f"{agent} is not in agent_definitions")
        for target in step.body.get("targets", ()):
            if target not in targets:
                yield Fault(f"/workflow/{key}/targets", f"{target} is not in target_definitions")
    for marking in document.get("markings", ()):
        if marking not in document.get("data_marking_definitions", {}):
            yield Fault("/markings", f"{marking} is not in data_marking_definitions")
    for part, held in (("agent_definitions", agents), ("target_definitions", targets)):
        for key, one in held.items():
            wanted = one.get("authentication_info")
            if wanted is not None and wanted not in document.get("authentication_info_definitions", {}):
                yield Fault(f"/{part}/{key}", f"{wanted} is not in authentication_info_definitions")


def _secrets(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Secrets that stand in the playbook: it is signed, kept and shared, so they would be too."""
    for key, one in document.get("authentication_info_definitions", {}).items():
        for name in _SECRETS & set(one):
            if not VARIABLE.search(str(one[name])):
                yield Fault(
                    f"/authentication_info_definitions/{key}/{name}", "a secret stands in it: use a variable or kms"
                )


def _dates(document: Mapping[str, Any]) -> Iterator[Fault]:
    if document["modified"] < document["created"]:
        yield Fault("/modified", "it was changed before it was made")
    if document.get("valid_until", "9") <= document.get("valid_from", "0"):
        yield Fault("/valid_until", "it ends before it begins to hold")


def _circles(steps: Mapping[str, Step]) -> Iterator[Fault]:
    """A way of steps that comes back to where it was; told once for each circle that is found."""
    done: set[str] = set()
    for first in steps:
        way: list[str] = []
        waiting: list[tuple[str, int]] = [(first, 0)]
        while waiting:
            key, depth = waiting.pop()
            del way[depth:]
            if key in way:
                yield Fault(
                    f"/workflow/{key}",
                    f"it runs in a circle of {depth - way.index(key)} steps: repeat with a while-condition",
                )
                return
            if key in done and depth:
                continue
            way.append(key)
            waiting += [(other, depth + 1) for other in (*steps[key].follows, *steps[key].branches)]
        done |= _reached(steps, first)


def _ends(document: Mapping[str, Any], steps: Mapping[str, Step]) -> Iterator[Fault]:
    """Steps that are never reached, and ends that two branches share."""
    exception = document.get("workflow_exception")
    firsts = [str(first) for first in (document["workflow_start"], exception) if first in steps]
    reached = {key for first in firsts for key in _reached(steps, first)}
    for key in steps:
        if key not in reached:
            yield Fault(f"/workflow/{key}", "it is never reached")
    chains = [(branch, key) for key, step in steps.items() for branch in step.branches]
    shared = Counter(end for branch in {branch for branch, _ in chains} for end in _chain_ends(steps, branch))
    main = {end for first in firsts[:1] for end in _chain_ends(steps, first)}
    for branch, key in chains:
        for end in sorted(_chain_ends(steps, branch)):
            if shared[end] > 1 or end in main:
                yield Fault(f"/workflow/{key}", f"a branch ends on {end}, on which another ends as well")


def _chain_ends(steps: Mapping[str, Step], first: str) -> set[str]:
    """The ends of a branch: along what follows, not into branches that open on the way."""
    found, waiting, seen = set(), [first], set()
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        if steps[key].type == "end":
            found.add(key)
        waiting += steps[key].follows
    return found


def _reached(steps: Mapping[str, Step], first: str) -> set[str]:
    seen: set[str] = set()
    waiting = [first]
    while waiting:
        key = waiting.pop()
        if key not in seen:
            seen.add(key)
            waiting += [*steps[key].follows, *steps[key].branches]
    return seen


def _conditions(steps: Mapping[str, Step]) -> Iterator[Fault]:
    for key, step in steps.items():
        condition = step.body.get("condition")
        if condition is None:
            continue
        try:
            found = variables_in(parse_condition(condition))
        except ConditionError as error:
            yield Fault(f"/workflow/{key}/condition", str(error))
            continue
        if not found:
            yield Fault(f"/workflow/{key}/condition", "it looks at no variable, so it is always the same")


def _variables(document: Mapping[str, Any], steps: Mapping[str, Step]) -> Iterator[Fault]:
    """Variables that are used and not defined, or defined for a step and for the playbook."""
    everywhere = set(document.get("playbook_variables", {}))
    for key, step in steps.items():
        mine = set(step.body.get("step_variables", {}))
        for name in sorted(mine & everywhere):
            yield Fault(f"/workflow/{key}/step_variables/{name}", "the playbook has a variable of that name")
        used = {(where, name) for where, text in texts(dict(step.body)) for name in VARIABLE.findall(text)}
        for where, name in sorted(used):
            if name not in mine | everywhere:
                yield Fault(f"/workflow/{key}{where}", f"the variable {name} is not defined")
    for part in ("agent_definitions", "target_definitions", "authentication_info_definitions"):
        for where, text in texts(document.get(part, {}), f"/{part}"):
            for name in VARIABLE.findall(text):
                if name not in everywhere:
                    yield Fault(where, f"the variable {name} is not defined")


def _calls(document: Mapping[str, Any], steps: Mapping[str, Step]) -> Iterator[Fault]:
    """What an http-api step calls: one host over TLS that stands there, and no line of a request too many."""
    for part in ("agent_definitions", "target_definitions"):
        for key, one in document.get(part, {}).items():
            if one["type"] == "http-api":
                for number, url in enumerate(one.get("address", {}).get("url", ())):
                    wrong = _wrong_url(url)
                    if wrong:
                        yield Fault(f"/{part}/{key}/address/url/{number}", wrong)
    for key, step in steps.items():
        for number, command in enumerate(step.body.get("commands", ())):
            if command["type"] != "http-api":
                continue
            where = f"/workflow/{key}/commands/{number}"
            if not _REQUEST.fullmatch(command["command"]):
                yield Fault(f"{where}/command", "it is no request: e.g. POST /v1/accounts/__account__:value/limits")
            for name, values in command.get("headers", {}).items():
                if any(_CONTROL.search(text) for text in (name, *values)):
                    yield Fault(f"{where}/headers", "a header has a control character")


def _wrong_url(url: str) -> str:
    """Why an address may not be called; empty where it may."""
    if VARIABLE.search(url):
        return "whom it calls is put together from a variable"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"{url[:80]!r} is no URL"
    if not parts.hostname or _CONTROL.search(url) or port == 0:
        return f"{url[:80]!r} is no URL"
    if parts.username is not None or parts.password is not None:
        return "it has a name or password in it: use authentication_info"
    if parts.scheme != "https":
        return "it is called without TLS (https)"
    return ""
