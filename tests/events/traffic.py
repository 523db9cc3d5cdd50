"""Requests as a provider would have them, in the contract's own terms: what the bespoke shapes are made from."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
from typing import Any

_WORDS = {
    "en": "please write a function that parses the date from this report and explain why the second table differs "
    "compare both drafts summarise customer feedback translate an email check my python code for errors plan three "
    "days in Lisbon draft reply angry supplier what is the difference between variance and bias list sources rewrite "
    "shorter tone formal optimise query join index slow budget forecast quarter invoice contract clause risk",
    "de": "bitte schreibe eine Funktion die das Datum aus diesem Bericht liest und erkläre warum die zweite Tabelle "
    "abweicht vergleiche beide Entwürfe fasse Rückmeldungen zusammen übersetze eine E-Mail prüfe meinen Code auf "
    "Fehler plane drei Tage in Wien antworte dem Lieferanten freundlich was ist der Unterschied zwischen Miete und "
    "Pacht kürze den Text formeller Ton Rechnung Vertrag Klausel Risiko Haushalt Prognose",
    "zh": "请 写 一个 函数 解析 报告 中的 日期 并 解释 为什么 第二个 表格 不同 比较 两份 草稿 总结 "
    "客户 反馈 翻译 这封 邮件 检查 我的 代码 有没有 错误 计划 三天 行程 回复 供应商 方差 和 偏差 有 "
    "什么 区别 改写 更短 正式 语气 优化 查询 预算 合同",
}
_SYSTEMS = {
    "en": "You are a helpful assistant for {}. Answer briefly and cite the handbook where you can.",
    "de": "Du bist ein hilfreicher Assistent für {}. Antworte kurz und nenne die Quelle im Handbuch.",
    "zh": "你是{}的智能助手。请简洁回答，并尽可能引用手册中的内容。",
}
_AGENTS = ("OpenAI/Python 1.54.3", "python-requests/2.32.3", "Mozilla/5.0 (X11; Linux x86_64) Firefox/132.0",
           "okhttp/4.12.0", "node-fetch/3.3.2", "curl/8.10.1", "LangChain/0.3.7")  # fmt: skip
_MODELS = ("claude-sonnet-4-5", "gpt-4o-mini", "llama-3.1-70b-instruct", "m-small")


def _id(prefix: str, number: object, size: int = 12) -> str:
    return prefix + hashlib.sha256(f"{prefix}{number}".encode()).hexdigest()[:size]


def _sentence(rng: random.Random, language: str, words: int) -> str:
    gap = "" if language == "zh" else " "
    known = _WORDS[language].split()
    return gap.join(rng.choice(known) for _ in range(words))


def _account(number: int, rng: random.Random, language: str) -> dict[str, Any]:
    organization = number // 3
    names = ("Acme", "Northwind", "Globex", "Initech", "Umbrella", "Hooli")
    own = language != "en" or rng.random() < 0.6
    return {
        "account_id": _id("acct_", number),
        "organization_id": _id("org-", organization, 10),
        "organization_verified": organization % 3 == 0,
        "keys": [_id("key_", (number, key)) for key in range(rng.randint(1, 3))],
        "client_ip": f"{rng.randint(11, 99)}.{rng.randint(1, 250)}.{number % 250}.{rng.randint(2, 250)}",
        "asn": rng.choice((64496, 13335, 16509, 3320, 45102, 4134)),
        "country": rng.choice(("DE", "US", "FR", "CN", "BR", "JP")),
        "user_agent": rng.choice(_AGENTS),
        "ja4": f"t13d{rng.randint(1000, 1999)}h2_{_id('', number % 17)}_{_id('', number % 23 + 50)}",
        "system_prompt": _SYSTEMS[language].format(f"{rng.choice(names)} {organization}") if own else None,
        "model": rng.choice(_MODELS),
        "temperature": rng.choice((0.0, 0.2, 0.7, 1.0, 1.3)),
        "max_tokens": rng.choice((256, 512, 1024, 2048, 4096)),
        "stream": rng.random() < 0.5,
        "tools": rng.random() < 0.3,
    }


def traffic(rows: int = 1200, *, seed: int = 7, language: str = "en", accounts: int = 90) -> list[dict[str, Any]]:
    """`rows` exchanges in time order, over three days, with conversations of one to six turns."""
    rng = random.Random(seed)
    people = [_account(number, rng, language) for number in range(accounts)]
    start = dt.datetime(2026, 3, 2, 6, 0, tzinfo=dt.UTC)
    found: list[dict[str, Any]] = []
    conversation = 0
    while len(found) < rows:
        person = people[min(int(rng.paretovariate(0.9)) - 1, accounts - 1)]
        conversation += 1
        at = start + dt.timedelta(seconds=rng.random() * 3 * 86_400)
        for turn in range(min(rng.choice((1, 1, 2, 3, 6)), rows - len(found))):
            found.append(_exchange(rng, person, language, conversation, turn, at))
            at += dt.timedelta(seconds=rng.uniform(4, 90))
    found.sort(key=lambda row: row["time"])
    for number, row in enumerate(found):
        row["event_id"] = _id("req_", (seed, number), 16)
    return found


def _exchange(
    rng: random.Random, person: dict[str, Any], language: str, conversation: int, turn: int, at: dt.datetime
) -> dict[str, Any]:
    asked = int(rng.lognormvariate(3.0, 0.7)) + 4
    answered = int(rng.lognormvariate(3.8, 0.7)) + 4
    status = rng.choices((200, 429, 500), (94, 5, 1))[0]
    ok = status == 200
    mark = rng.choice(("?", ".", "")) if language != "zh" else rng.choice(("？", "。", ""))
    row = {name: value for name, value in person.items() if name != "keys"}
    return {
        **row,
        "time": at.replace(microsecond=rng.randrange(1000) * 1000),
        "api_key_id": rng.choice(person["keys"]),
        "conversation_id": _id("conv_", conversation),
        "turn": turn,
        "operation": "chat",
        "prompt": _sentence(rng, language, asked).capitalize() + mark,
        "response": _sentence(rng, language, answered).capitalize() + "." if ok else None,
        "input_tokens": int(asked * 1.35) + rng.randint(2, 9),
        "output_tokens": int(answered * 1.35) + rng.randint(0, 6) if ok else 0,
        "max_tokens": max(person["max_tokens"], 2048) if answered > 150 else person["max_tokens"],
        "finish_reason": ("length" if rng.random() < 0.05 else "stop") if ok else None,
        "status": status,
        "error_type": None if ok else {429: "rate_limit_exceeded", 500: "server_error"}[status],
        "latency_ms": round(rng.lognormvariate(6.5, 0.5), 1),
    }
