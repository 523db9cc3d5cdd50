"""The real clients, and whom the doors take them for."""

from __future__ import annotations

import hashlib
import http.client
import json

import anthropic
import openai

from spiritsafe.guard.gateways.callers import KeyAccount, Trust
from tests.guard.upstream import THOUGHT, WORDS

ANSWER, REASONING = "".join(WORDS), "".join(THOUGHT)
KEYS = {"member": "sk-member", "new": "sk-new", "other": "sk-other"}
ACCOUNTS = {"sk-member": "core", "sk-new": "just opened", "sk-other": "somebody"}
TRUST = Trust(
    hops=1,
    keys={hashlib.sha256(key.encode()).hexdigest(): KeyAccount(name, plan="pro") for key, name in ACCOUNTS.items()},
)
BODY = json.dumps({"model": "m-1", "messages": [{"role": "user", "content": "Hi"}]}).encode()


def openai_of(address, who="other"):
    return openai.OpenAI(base_url=f"{address}/v1", api_key=KEYS[who], max_retries=0)


def anthropic_of(address, who="other"):
    return anthropic.Anthropic(base_url=address, api_key=KEYS[who], max_retries=0)


def chat(client, text="What is six times seven?", **more):
    return client.chat.completions.create(model="m-1", messages=[{"role": "user", "content": text}], **more)


def message(client, text="What is six times seven?", **more):
    return client.messages.create(model="m-1", max_tokens=100, messages=[{"role": "user", "content": text}], **more)


def raw(address, data, *, path="/v1/chat/completions", headers=None, method="POST"):
    host = address.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    given = {"content-type": "application/json", "authorization": "Bearer sk-member", **(headers or {})}
    connection.request(method, path, data, given)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body
