"""Write a log with the real LiteLLM: what its logging callback gets, one JSON object a line.

Runs in LiteLLM's own environment (`.venvs/litellm`, made by `make setup`), never in ours, and calls no model:
the answers are LiteLLM's mock. `python scripts/make_litellm_log.py OUT.jsonl` writes the log, and prints the
field names of LiteLLM's payload types as JSON.
Read by tests/events/test_sources_litellm.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import typing
from pathlib import Path
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks the network for a price list
os.environ["LITELLM_LOG"] = "ERROR"


def fields() -> dict[str, list[str]]:
    """Names of the fields of the payload, as this LiteLLM declares them."""
    from litellm.types import utils

    kinds = (utils.StandardLoggingPayload, utils.StandardLoggingMetadata)
    return {kind.__name__: sorted(typing.get_type_hints(kind)) for kind in kinds}


def key_of(user: str, team: str | None = None) -> dict[str, Any]:
    """What a proxy knows of the key that a request came with."""
    return {
        "user_api_key_hash": f"hash-of-{user}",
        "user_api_key_user_id": user,
        "user_api_key_team_id": team,
        "user_api_key_org_id": "org-1",
        "requester_ip_address": "198.51.100.7",
    }


def calls(litellm: Any) -> None:
    """A few requests of different shapes, all answered by the mock."""
    chat = [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": "What is a spirit safe?"}]
    litellm.completion(
        model="gpt-4o-mini", messages=chat, temperature=0.5, max_tokens=64, user="end-user-9",
        mock_response="A locked glass case in a distillery.", metadata=key_of("acct-1"),
    )  # fmt: skip
    turns = [
        {"role": "user", "content": "Name a whisky."},
        {"role": "assistant", "content": "Laphroaig."},
        {"role": "user", "content": [{"type": "text", "text": "Another one."}]},
    ]
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
    litellm.completion(
        model="gpt-4o", messages=turns, tools=[tool], n=2, mock_response="Ardbeg.", metadata=key_of("acct-2", "team-2"),
        _skip_mcp_handler=True,  # tools make it import the `mcp` package, which is not installed here
    )  # fmt: skip
    stream = litellm.completion(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "Count to three."}], stream=True,
        mock_response="One, two, three.", metadata=key_of("acct-1"),
    )  # fmt: skip
    for _ in stream:
        pass
    with contextlib.suppress(litellm.RateLimitError):
        litellm.completion(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "Once more."}],
            mock_response=litellm.RateLimitError("slow down", llm_provider="openai", model="gpt-4o-mini"),
            metadata=key_of("acct-1"), num_retries=0,
        )  # fmt: skip
    litellm.embedding(
        model="text-embedding-3-small", input=["to be embedded"], mock_response=[0.1, 0.2], metadata=key_of("acct-1")
    )


def write(path: Path, *, expected: int) -> None:
    """Make the calls and write what the callback got; LiteLLM calls back from a thread, so this waits."""
    import litellm
    from litellm.integrations.custom_logger import CustomLogger

    held: list[dict[str, Any]] = []

    class Keep(CustomLogger):  # type: ignore[misc]
        def log_success_event(self, kwargs: Any, *_: Any, **__: Any) -> None:
            held.append(kwargs["standard_logging_object"])

        log_failure_event = log_success_event

    litellm.callbacks = [Keep()]
    calls(litellm)
    deadline = time.monotonic() + 30
    while len(held) < expected and time.monotonic() < deadline:
        time.sleep(0.05)
    if len(held) < expected:
        sys.exit(f"LiteLLM called back {len(held)} times of {expected}")
    lines = [json.dumps(payload, default=str) for payload in held]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(Path(sys.argv[1]), expected=5)
    print(json.dumps(fields()))
