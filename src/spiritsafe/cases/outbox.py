"""What the gateway and the mailer are to do, as files that they take away: an order or a notice each, whole or absent.

A home's `outbox` is where other programs learn what was decided; whoever carries a file out removes it. Its name holds
the idempotency key, so that whoever sees one twice does it once. An order goes to an API instead where the playbook's
receiver is one. Whom an order names is fixed before it goes anywhere (`runs/order-KEY.json`), so that one that is tried
again after a crash names the same accounts.
Comes from `cases.executors`; goes on to `SPIRITSAFE_HOME/outbox`, or through `playbooks.http_calls` to the network.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from spiritsafe.files import write_atomically
from spiritsafe.playbooks.http_calls import send
from spiritsafe.playbooks.orders import Result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from spiritsafe.playbooks.orders import Home, Order


def fixed_accounts(order: Order, home: Home) -> list[str] | None:
    """The accounts that an order named when it was first tried; None where it was not."""
    path = _intent(order, home)
    return list(json.loads(path.read_bytes())) if path.is_file() else None


def fix_accounts(order: Order, home: Home, accounts: Sequence[str]) -> None:
    """Fix whom an order names."""
    write_atomically(_intent(order, home), json.dumps(list(accounts)).encode(), mode=0o600)


def forget_accounts(order: Order, home: Home) -> None:
    """The order is filed: the ledger knows whom it named."""
    _intent(order, home).unlink(missing_ok=True)


def place(order: Order, home: Home, kind: str, accounts: Sequence[str], *, undo: bool = False) -> Result:
    """Give an order to whoever carries it out: the agent's API, or the outbox."""
    body: dict[str, Any] = {
        "schema": "order/1.0",
        "order": "undo" if undo else "do",
        "key": f"{order.key}-undo" if undo else order.key,
        "kind": kind,
        "case": order.case_id,
        "run": order.run_id,
        "accounts": sorted(accounts),
    }
    if order.receiver.get("type") == "http-api":
        headers = {"Content-Type": "application/json"}
        order = replace(order, out_args=())  # an order gives no values: what it answers cannot make it fail
        return send(order, home, "POST", "", body=json.dumps(body).encode(), headers=headers, undo=undo)
    name = f"order-{body['key']}.json"
    put(home, name, body)
    return Result("done", f"outbox/{name}")


def put(home: Home, name: str, body: dict[str, Any]) -> None:
    """A file in the outbox."""
    folder = home.settings.open_home() / "outbox"
    folder.mkdir(mode=0o700, exist_ok=True)
    write_atomically(folder / name, json.dumps(body, indent=1, ensure_ascii=False).encode(), mode=0o600)


def _intent(order: Order, home: Home) -> Path:
    folder = home.settings.open_home() / "runs"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"order-{order.key}.json"
