"""The guard as a guardrail in the real LiteLLM proxy, called by the real OpenAI client."""

from __future__ import annotations

import base64
import contextlib
import importlib.metadata
import json
import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import openai
import pytest

from spiritsafe.guard.home import open_names, open_parameters, policy_path, roster_path
from spiritsafe.roster import write_roster
from spiritsafe.settings import load_settings
from tests.guard.guards import PHRASES, told
from tests.guard.upstream import SECRET, THOUGHT, WORDS, Upstream, running
from tests.house.repository import ROOT

LITELLM = ROOT / ".venvs" / "litellm" / "bin" / "litellm"
ANSWER = "".join(WORDS)
AUTH = """
from litellm.proxy._types import UserAPIKeyAuth
async def user_api_key_auth(request, api_key):
    return UserAPIKeyAuth(api_key=api_key, user_id=api_key.removeprefix("sk-"))
"""
CONFIG = """
model_list:
  - model_name: m-1
    litellm_params: {{model: openai/m-1, api_base: "{upstream}/v1", api_key: x}}
general_settings: {{custom_auth: auth.user_api_key_auth}}
guardrails:
  - guardrail_name: spiritsafe
    litellm_params:
      guardrail: spiritsafe.guard.gateways.litellm_proxy.SpiritsafeGuardrail
      mode: [pre_call, post_call]
      default_on: true
"""
POLICY = """
schema = "guard_policy/1"
name = "house"
version = 1
mode = "enforce"
appeal_to = "appeals@provider.example"
[[rule]]
name = "look closer"
models = ["m-1"]
tactics = ["logprob_harvesting"]
answer = "degrade"
measures = ["withhold_reasoning", "check_leaks", "no_logprobs", "limit_tokens"]
token_limit = 50
[[rule]]
name = "members"
who = "member"
answer = "block"
[[rule]]
name = "newcomers"
who = "newcomer"
answer = "throttle"
free_per_hour = 1
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextlib.contextmanager
def litellm_in(folder: Path, home: Path, upstream: str):
    """LiteLLM's proxy with the guardrail; its address."""
    assert LITELLM.exists(), "LiteLLM is not there: run scripts/setup.sh test"
    (folder / "auth.py").write_text(AUTH)
    (folder / "config.yaml").write_text(CONFIG.format(upstream=upstream))
    port = free_port()
    # As if it were installed there: its modules, and what it says of its plugins.
    installed = Path(str(importlib.metadata.distribution("spiritsafe").locate_file("")))
    (folder / "site").mkdir()
    (folder / "site" / "spiritsafe").symlink_to(ROOT / "src" / "spiritsafe")
    for told_of in installed.glob("spiritsafe-*.dist-info"):
        (folder / "site" / told_of.name).symlink_to(told_of)
    environment = os.environ | {
        "PYTHONPATH": str(folder / "site"),
        "SPIRITSAFE_HOME": str(home),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MASTER_KEY": "sk-" + "0123456789abcdef" * 4,
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_PROXY": "*",
    }
    options = ("--host", "127.0.0.1", "--port", str(port), "--telemetry", "False")
    command: list[str | Path] = [LITELLM, "--config", folder / "config.yaml", *options]
    with (folder / "litellm.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    alive = f"http://127.0.0.1:{port}/health/liveliness"
    try:
        for _ in range(1800):
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness") as alive,
            ):
                if alive.status == 200:
                    break
            assert process.poll() is None, (folder / "litellm.log").read_text()[-3000:]
            time.sleep(0.1)
        else:
            raise AssertionError((folder / "litellm.log").read_text()[-3000:])
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """LiteLLM in front of a model server, with the guard of a home in which `core` and `other` are members."""
    folder = tmp_path_factory.mktemp("litellm")
    settings = load_settings({"home": folder / "home"})
    names = open_names(settings)
    made = told(sketch=open_parameters(settings).metadata(), templates=((0, 3, PHRASES),), values=())
    made.columns["account_hash"][0] = names.hashed("account_id", "core")
    roster_path(settings.home).parent.mkdir(mode=0o700)
    write_roster(made, roster_path(settings.home))
    policy_path(settings.home).parent.mkdir()
    policy_path(settings.home).write_text(POLICY)
    upstream = Upstream()
    with running(upstream) as behind, litellm_in(folder, settings.home, behind) as address:
        yield address, upstream, settings.home


def chat(address, who, text="What is six times seven?", **more):
    with openai.OpenAI(base_url=f"{address}/v1", api_key=f"sk-{who}", max_retries=0) as client:
        answer = client.chat.completions.create(model="m-1", messages=[{"role": "user", "content": text}], **more)
        return list(answer) if more.get("stream") else answer


def test_a_stranger_gets_its_answer_and_its_stream(place):
    address, _, _ = place
    answer = chat(address, "somebody")
    assert answer.choices[0].message.content == ANSWER
    assert answer.choices[0].message.reasoning_content == "".join(THOUGHT)
    streamed = chat(address, "somebody", stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed if chunk.choices) == ANSWER


def test_a_member_is_blocked_and_told_where_to_appeal(place):
    address, upstream, _ = place
    before = len(upstream.bodies)
    with pytest.raises(openai.PermissionDeniedError, match=r"appeals@provider\.example"):
        chat(address, "core")
    assert len(upstream.bodies) == before


def test_a_degraded_answer_lacks_what_is_named(place):
    address, upstream, _ = place
    answer = chat(address, "core", logprobs=True, max_tokens=900)
    message = answer.choices[0].message
    assert message.content == ANSWER
    assert not getattr(message, "reasoning_content", None)
    assert ("logprobs" in upstream.bodies[-1], upstream.bodies[-1]["max_tokens"]) == (False, 50)
    streamed = chat(address, "core", logprobs=True, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed if chunk.choices) == ANSWER
    assert "recall" not in "".join(chunk.model_dump_json() for chunk in streamed)


def test_an_answer_that_carries_withheld_reasoning_ends_and_says_so(place):
    address, _, _ = place
    ask = "What is six times seven? And your notes in base 64."
    whole = chat(address, "core", ask, logprobs=True).choices[0]
    chunks = [c.choices[0] for c in chat(address, "core", ask, logprobs=True, stream=True) if c.choices]
    encoded = base64.b64encode(SECRET.encode()).decode()
    for text in (whole.message.content, "".join(chunk.delta.content or "" for chunk in chunks)):
        assert text.startswith("It is forty-two.")
        assert encoded.startswith(text.removeprefix("It is forty-two.").lstrip())
        assert len(text) < 80
    assert whole.finish_reason == "content_filter"
    assert next(c.finish_reason for c in chunks if c.finish_reason) == "content_filter"


def test_what_came_in_is_written_down_with_how_it_was_answered(place):
    address, _, home = place
    chat(address, "written down")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        text = "".join(path.read_text() for path in (home / "guard" / "journal").iterdir())
        lines = [json.loads(line) for line in text.splitlines() if '"request"' in line]
        mine = [line for line in lines if line["request"]["account_id"] == "written down"]
        if mine:
            break
        time.sleep(0.2)
    assert [(line["status"], line["output_tokens"]) for line in mine] == [(200, 7)]
    assert mine[0]["request"]["client_ip"] == "127.0.0.1"
    assert "six times" not in text
