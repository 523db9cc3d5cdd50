"""The guard beside a real Envoy: asked before each call goes on, in front of a model server, by the real clients."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import anthropic
import openai
import pytest

from tests.guard.clients import BODY, raw
from tests.guard.homes import home_in
from tests.guard.test_litellm import POLICY, free_port
from tests.guard.upstream import WORDS, Upstream, running

SPIRITSAFE = Path(sys.executable).with_name("spiritsafe")
ANSWER = "".join(WORDS)


def cluster(name: str, port: int, **more: object) -> dict[str, object]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {
        "name": name, "type": "STATIC", "connect_timeout": "2s",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints}, **more,
    }  # fmt: skip


def configuration(port: int, admin: int, guard: int, upstream: int) -> dict[str, object]:
    """Envoy's own, in JSON, as the how-to page shows it in YAML."""
    types = "type.googleapis.com/envoy.extensions"
    http2: dict[str, object] = {"explicit_http_config": {"http2_protocol_options": {}}}
    authz = {
        "@type": f"{types}.filters.http.ext_authz.v3.ExtAuthz",
        "transport_api_version": "V3",
        "grpc_service": {"envoy_grpc": {"cluster_name": "guard"}, "timeout": "1s"},
        "with_request_body": {"max_request_bytes": 1 << 20, "allow_partial_message": False, "pack_as_bytes": True},
        "failure_mode_allow": True,
    }
    route = {"match": {"prefix": "/"}, "route": {"cluster": "models"}}
    manager = {
        "@type": f"{types}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "models",
        "use_remote_address": True,
        "route_config": {"virtual_hosts": [{"name": "models", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {"name": "guard", "typed_config": authz},
            {"name": "router", "typed_config": {"@type": f"{types}.filters.http.router.v3.Router"}},
        ],
    }
    listener = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    options = {"@type": f"{types}.upstreams.http.v3.HttpProtocolOptions", **http2}
    named = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options}
    decides = cluster("guard", guard, typed_extension_protocol_options=named)
    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
        "static_resources": {
            "listeners": [listener],
            "clusters": [cluster("models", upstream), decides],
        },
    }


@contextlib.contextmanager
def guard_in(home: Path):
    environment = os.environ | {"SPIRITSAFE_HOME": str(home), "SPIRITSAFE_GUARD_ACCOUNT_HEADER": "x-account"}
    command: list[str | Path] = [SPIRITSAFE, "guard", "envoy", "--listen", "127.0.0.1:0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        try:
            yield process, int(ready["listen"].rpartition(":")[2])
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0


@contextlib.contextmanager
def envoy(folder: Path, guard: int, upstream: str):
    spec = importlib.util.find_spec("envoy")
    assert spec is not None, "Envoy is not there: run scripts/setup.sh test"
    assert spec.origin is not None
    binary = Path(spec.origin).parent / "_bin" / "envoy"
    port, admin = free_port(), free_port()
    (folder / "envoy.json").write_text(json.dumps(configuration(port, admin, guard, int(upstream.rpartition(":")[2]))))
    command: list[str | Path] = [
        binary,
        "-c",
        folder / "envoy.json",
        "--use-dynamic-base-id",
        "--concurrency",
        "1",
        "-l",
        "error",
    ]
    with (folder / "envoy.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{admin}/ready") as answer:
                if answer.status == 200:
                    break
            assert process.poll() is None, (folder / "envoy.log").read_text()[-3000:]
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("envoy")
    home = home_in(folder, POLICY)
    upstream = Upstream()
    with running(upstream) as behind, guard_in(home) as (process, port), envoy(folder, port, behind) as address:
        yield address, upstream, home, process


def chat(address, who, **more):
    headers = {"x-account": who, "x-spiritsafe-measures": "forged", **more.pop("headers", {})}
    with openai.OpenAI(base_url=f"{address}/v1", api_key="sk", max_retries=0, default_headers=headers) as client:
        answer = client.chat.completions.create(model="m-1", messages=[{"role": "user", "content": "Six?"}], **more)
        return list(answer) if more.get("stream") else answer


def test_a_stranger_gets_its_answer_and_its_stream(place):
    address, upstream, _, _ = place
    assert chat(address, "somebody").choices[0].message.content == ANSWER
    streamed = chat(address, "somebody", stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed if chunk.choices) == ANSWER
    assert "x-spiritsafe-measures" not in upstream.headers[-1]


def test_a_member_is_blocked_in_the_words_of_the_api(place):
    address, upstream, _, _ = place
    before = len(upstream.bodies)
    with pytest.raises(openai.PermissionDeniedError, match=r"appeals@provider\.example") as caught:
        chat(address, "core")
    assert caught.value.code == "request_refused"
    assert caught.value.response.headers["content-type"] == "application/json"
    client = anthropic.Anthropic(base_url=address, api_key="x", max_retries=0, default_headers={"x-account": "core"})
    with client, pytest.raises(anthropic.PermissionDeniedError):
        client.messages.create(model="m-1", max_tokens=9, messages=[{"role": "user", "content": "Hi"}])
    assert len(upstream.bodies) == before


def test_what_an_answer_is_to_lack_is_told_to_the_server_behind(place):
    address, upstream, _, _ = place
    assert chat(address, "core", logprobs=True).choices[0].message.content == ANSWER
    assert upstream.headers[-1]["x-spiritsafe-measures"] == "withhold_reasoning,check_leaks,no_logprobs,limit_tokens"


@pytest.mark.parametrize("data", [b"{", BODY.replace(b'"Hi"', b'"\\ud800"')], ids=["cut", "half a pair"])
def test_what_cannot_be_read_here_is_not_passed_on(place, data):
    address, upstream, _, _ = place
    before = len(upstream.bodies)
    assert raw(address, data, headers={"x-account": "core"})[0] in {400, 403}
    assert raw(address, BODY, headers={"x-account": "core", "content-encoding": "gzip"})[0] == 415
    assert len(upstream.bodies) == before


def test_what_asks_no_model_is_let_through(place):
    address, _, _, _ = place
    assert raw(address, None, path="/v1/models", headers={"x-account": "core"}, method="GET")[0] == 200


def test_what_came_in_is_written_down(place):
    _, _, home, _ = place
    deadline = time.monotonic() + 20
    met: set[str] = set()
    while not {"core", "somebody"} <= met and time.monotonic() < deadline:
        text = "".join(path.read_text() for path in (home / "guard" / "journal").iterdir())
        lines = [json.loads(line) for line in text.splitlines() if '"request"' in line]
        met = {line["request"]["account_id"] for line in lines}
        time.sleep(0.1)
    assert {"core", "somebody"} <= met
    assert {line["request"]["client_ip"] for line in lines} == {"127.0.0.1"}


def test_when_the_guard_is_gone_envoy_does_as_it_is_set(tmp_path):
    home = home_in(tmp_path, POLICY)
    upstream = Upstream()
    with running(upstream) as behind:
        with guard_in(home) as (_, port), envoy(tmp_path, port, behind) as address:
            assert raw(address, BODY, headers={"x-account": "core"})[0] == 403
        with envoy(tmp_path, port, behind) as address:
            assert raw(address, BODY, headers={"x-account": "core"})[0] == 200
