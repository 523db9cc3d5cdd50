"""A model server behind a door."""

from __future__ import annotations

import contextlib

import pytest

from spiritsafe.guard.gateways.asgi import GuardMiddleware
from spiritsafe.guard.gateways.door import Door, DoorOptions
from tests.guard.clients import TRUST
from tests.guard.guards import guard_of
from tests.guard.upstream import Upstream, guarded, running


@pytest.fixture(params=["proxy", "middleware"])
def place(request, tmp_path):
    """A model server behind a door: as a proxy in front of it, or as a middleware inside. Called with a policy."""
    stack = contextlib.ExitStack()

    def open_(given=None, **options):
        upstream = Upstream(gate=options.pop("gate", None))
        guard = guard_of(tmp_path, given=given)
        door = Door(guard, DoorOptions(**{"trust": TRUST, **options}), clock_us=lambda: 1_770_000_000_000_000)
        if request.param == "proxy":
            address = stack.enter_context(guarded(door, stack.enter_context(running(upstream))))
        else:
            address = stack.enter_context(running(GuardMiddleware(upstream, door)))
        return address, upstream, door

    with stack:
        yield open_
