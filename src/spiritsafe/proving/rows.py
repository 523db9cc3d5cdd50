"""From a plan to rows of the `requests` contract, a batch at a time.

Everything is a function of the seed and of a row's place in time, so that a batch can be made alone and twice the
same. No column here looks at who sends. Comes from `compose`; goes on to `write`.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute

from spiritsafe.events.model import REQUESTS
from spiritsafe.proving.network import BUILDS, COUNTRY_CODES
from spiritsafe.proving.profiles import ALL_MODELS, CHANNELS, TEMPERATURES
from spiritsafe.proving.work import system_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from spiritsafe.proving.model import Bools, Floats, Group, Ints
    from spiritsafe.proving.profiles import Columns
    from spiritsafe.proving.work import Work

BATCH_ROWS: Final = 65_536
MINUTE_US: Final = 60_000_000
DAY_US: Final = 86_400_000_000
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
# Answers are longer where reasons or code are asked for; the same for everyone.
_ANSWER_FACTOR: Final = {
    "solve": 1.6, "explain_answer": 1.5, "rubric": 0.8, "generate": 2.2, "code": 2.0, "tools": 0.7, "trace": 3.0,
    "classify": 0.15, "extract": 0.4, "summarise": 0.5, "support": 0.6, "qa": 0.4, "chat": 1.0, "attack": 0.6,
}  # fmt: skip


@dataclass
class Plan:
    """A world before its words: one entry a row in order of time, and the tables that the numbers point into."""

    time_us: Ints
    account: NDArray[np.int32]
    work: NDArray[np.int32]
    item: NDArray[np.int32]
    turn: NDArray[np.int16]
    talk: Ints
    sender: NDArray[np.int32]
    campaign: NDArray[np.int32]
    limited: Bools
    remaining: NDArray[np.int32]
    accounts: Columns
    account_ids: list[str]
    works: list[Work]
    senders: list[str]
    campaigns: list[str]
    campaign_groups: list[Group]
    address: NDArray[np.uint32]
    address_asn: Ints
    address_country: Ints
    seed: int
    release_us: int
    start_us: int
    end_us: int
    caches: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.time_us)


def spread(numbers: NDArray[Any], salt: int) -> NDArray[np.uint64]:
    """splitmix64 of each number: the same 64 bits for the same number and salt."""
    with np.errstate(over="ignore"):
        state = numbers.astype(np.uint64) * _GOLDEN + np.uint64(salt & 0xFFFFFFFFFFFFFFFF) * np.uint64(
            0xD1B54A32D192ED03
        )
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(state ^ (state >> np.uint64(31)))


def uniform(numbers: NDArray[Any], salt: int) -> Floats:
    """A number in [0, 1) for each number, the same for the same salt."""
    return np.asarray((spread(numbers, salt) >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def hex_strings(bits: NDArray[np.uint64], prefix: str = "", *, valid: Bools | None = None) -> pa.StringArray:
    """64-bit numbers as strings of 16 hex digits after a prefix; null where not `valid`."""
    digits = np.frombuffer(binascii.hexlify(bits.astype(">u8").tobytes()), dtype=np.uint8).reshape(len(bits), 16)
    head = np.frombuffer(prefix.encode(), dtype=np.uint8)
    data = np.concatenate([np.broadcast_to(head, (len(bits), len(head))), digits], axis=1)
    offsets = np.arange(len(bits) + 1, dtype=np.int32) * data.shape[1]
    made = pa.StringArray.from_buffers(len(bits), pa.py_buffer(offsets), pa.py_buffer(data.tobytes()))
    return made if valid is None else pa.compute.if_else(pa.array(valid), made, pa.scalar(None, pa.string()))


def _text(values: Sequence[str | None], index: NDArray[Any]) -> pa.Array:
    return pa.array(values, pa.string()).take(pa.array(index))


def _null_where(values: NDArray[Any], type_: pa.DataType, missing: Bools) -> pa.Array:
    return pa.array(values, type=type_, mask=missing)


@dataclass(frozen=True, slots=True)
class Said:
    """The words of a batch, cheap to send between processes.

    `text` and `ends` are the prompts end to end, in UTF-8; `system` picks from `systems` (-1 for none); `answer` is
    the length of a known answer in characters, 0 where none is known.
    """

    text: bytes
    ends: NDArray[np.int64]
    system: NDArray[np.int32]
    systems: list[str]
    answer: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.ends)

    def prompts(self) -> pa.StringArray:
        """The prompts as an Arrow array over the bytes as they are."""
        offsets = np.concatenate([[0], self.ends]).astype(np.int32)
        return pa.StringArray.from_buffers(len(self), pa.py_buffer(offsets), pa.py_buffer(self.text))

    def system_prompts(self) -> pa.StringArray:
        """The system prompts, null where there is none."""
        return pa.array(self.systems, pa.string()).take(pa.array(self.system, mask=self.system < 0))


def batch(plan: Plan, first: int, last: int, said: Said) -> pa.RecordBatch:
    """Rows `first` to `last` of the plan as the contract wants them, given what `say_rows` made of them."""
    rows = slice(first, last)
    serial = np.arange(first, last)
    account = plan.account[rows]
    a = plan.accounts
    at = {name: a[name][account] for name in _ACCOUNT_COLUMNS}
    time = plan.time_us[rows]
    words = _words(serial, at, said)
    columns: dict[str, pa.Array] = {
        "event_id": hex_strings(spread(serial, plan.seed + 101), "evt-"),
        "time": pa.array(time, pa.timestamp("us", tz="UTC")),
        "account_id": _text(plan.account_ids, account),
    }
    columns |= _who(plan, rows, serial, at)
    columns |= words
    columns |= _asked(serial, at, words)
    columns |= _answered(plan, rows, serial, at, said.answer)
    columns |= _where(plan, serial, at, time)
    schema = REQUESTS.arrow(list(columns))
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def say_rows(plan: Plan, first: int, last: int) -> Said:
    """Words of rows `first` to `last`. Plain Python and numpy, so that forked workers can do it."""
    rows = slice(first, last)
    works, cache = plan.works, plan.caches.setdefault("system", {})
    ordinary = plan.accounts["system"][plan.account[rows]].tolist()
    seeds = spread(np.arange(first, last), plan.seed + 13).tolist()
    prompts: list[bytes] = []
    system: list[int] = []
    systems: dict[str, int] = {}
    answer: list[int] = []
    for number, item, turn, seed, own_seed in zip(
        plan.work[rows].tolist(), plan.item[rows].tolist(), plan.turn[rows].tolist(), seeds, ordinary, strict=True
    ):
        work = works[number]
        prompt, own = work.say(item, turn, seed)
        prompts.append(prompt.encode("utf-8", "replace"))
        answer.append(work.answer_chars(item))
        if own is None and own_seed >= 0:
            key = (work.language, own_seed)
            own = cache.get(key)
            if own is None:
                own = cache[key] = system_of(*key)
        system.append(-1 if own is None else systems.setdefault(own, len(systems)))
    ends = np.cumsum(np.fromiter(map(len, prompts), np.int64, len(prompts)))
    return Said(
        b"".join(prompts), ends, np.array(system, dtype=np.int32), list(systems), np.array(answer, dtype=np.int32)
    )


_ACCOUNT_COLUMNS: Final = (
    "address", "address_count", "address_mode", "build", "build_later", "build_change", "channel", "choices",
    "conversation_ids", "end_users", "error_share", "images_share", "key_base", "key_count", "limit", "limit_logged",
    "logit_bias", "logprobs", "max_tokens", "model", "model_second", "organisation", "organisation_verified",
    "output_median", "pivot_share", "pivot_us", "prefill_share", "reasoning_share", "refusal_share",
    "refusal_source", "second_share", "stream_share", "system", "temperature", "temperature_mode", "tools_share",
    "salt",
)  # fmt: skip


def _who(plan: Plan, rows: slice, serial: Ints, at: Columns) -> dict[str, pa.Array]:
    talk = plan.talk[rows]
    key = at["key_base"] + (uniform(serial, 3) ** 2 * np.maximum(1, at["key_count"])).astype(np.int64)
    user = (uniform(talk, 5) * np.maximum(1, at["end_users"])).astype(np.int64)
    user_bits = spread(user + at["salt"], 6)
    return {
        "api_key_id": hex_strings(spread(key, plan.seed + 7), "key-", valid=at["key_count"] > 0),
        "end_user_id": hex_strings(user_bits, "user-", valid=at["end_users"] > 0),
        "channel": _text(CHANNELS, at["channel"]),
        "organization_id": hex_strings(spread(at["organisation"], 8), "org-", valid=at["organisation"] >= 0),
        "organization_verified": _null_where(at["organisation_verified"], pa.bool_(), at["organisation"] < 0),
        "conversation_id": hex_strings(spread(talk, plan.seed + 9), "conv-", valid=at["conversation_ids"]),
        "turn": _null_where(plan.turn[rows].astype(np.int32), pa.int32(), ~at["conversation_ids"]),
        "operation": pa.array(["chat"], pa.string()).take(pa.array(np.zeros(len(serial), dtype=np.int64))),
    }


def _words(serial: Ints, at: Columns, said: Said) -> dict[str, pa.Array]:
    prefill = uniform(serial, 17) < at["prefill_share"]
    opening = (spread(at["salt"], 18) % np.uint64(len(_PREFILLS))).astype(np.int64)
    return {
        "prompt": said.prompts(),
        "system_prompt": said.system_prompts(),
        "assistant_prefill": pa.compute.if_else(
            pa.array(prefill), _text(_PREFILLS, opening), pa.scalar(None, pa.string())
        ),
    }


_PREFILLS: Final = ("{", "Sure:", "```python\n", "Answer:", "1.", "<answer>", "Let me")


def _asked(serial: Ints, at: Columns, words: dict[str, pa.Array]) -> dict[str, pa.Array]:
    draw = uniform(serial, 21)
    some = (at["temperature"] + (draw * 3).astype(np.int64)) % len(TEMPERATURES)
    temperature = TEMPERATURES[np.where(at["temperature_mode"] == 2, some, at["temperature"])]
    tools = uniform(serial, 22) < at["tools_share"]
    images = np.where(uniform(serial, 23) < at["images_share"], 1 + (draw * 3).astype(np.int32), 0)
    characters = pa.compute.utf8_length(words["prompt"]).to_numpy()
    bytes_ = pa.compute.binary_length(words["prompt"]).to_numpy()
    system = pa.compute.fill_null(pa.compute.utf8_length(words["system_prompt"]), 0).to_numpy()
    # About four characters a token, fewer where characters take several bytes.
    tokens = (characters + system) / np.where(bytes_ > 1.6 * characters, 1.4, 4.0) + 8
    return {
        "tool_schema_hash": _null_where(spread(at["salt"], 24).astype(np.int64), pa.int64(), ~tools),
        "image_count": pa.array(images.astype(np.int32)),
        "input_tokens": pa.array((tokens * (0.95 + 0.1 * draw)).astype(np.int32)),
        "max_tokens": _null_where(at["max_tokens"].astype(np.int32), pa.int32(), at["max_tokens"] == 0),
        "temperature": _null_where(temperature.astype(np.float32), pa.float32(), at["temperature_mode"] == 0),
        "choice_count": pa.array(at["choices"].astype(np.int32)),
        "logprobs": pa.array(at["logprobs"]),
        "logit_bias": pa.array(at["logit_bias"]),
        "tools": pa.array(tools),
        "stream": pa.array(uniform(serial, 25) < at["stream_share"]),
        "reasoning": pa.array(uniform(serial, 26) < at["reasoning_share"]),
    }


def _answered(plan: Plan, rows: slice, serial: Ints, at: Columns, known: NDArray[np.int32]) -> dict[str, pa.Array]:
    limited = plan.limited[rows]
    time = plan.time_us[rows]
    failed = ~limited & (uniform(serial, 31) < at["error_share"])
    served = ~limited & ~failed
    refused = served & (uniform(serial, 32) < at["refusal_share"])
    if "factor" not in plan.caches:
        plan.caches["factor"] = np.array([_ANSWER_FACTOR.get(work.family, 1.0) for work in plan.works])
    factor = plan.caches["factor"][plan.work[rows]]
    spread_ = np.exp(0.6 * (uniform(serial, 33) + uniform(serial, 34) + uniform(serial, 35) - 1.5) * 2)
    tokens = (
        np.where((known > 0) & (uniform(serial, 36) < 0.5), known / 4.0, at["output_median"]) * factor * spread_ + 1
    )
    tokens = np.where(refused, 20 + 40 * uniform(serial, 37), tokens)
    cap = np.where(at["max_tokens"] > 0, at["max_tokens"], 8_192)
    cut = served & (tokens > cap)
    reason = np.where(refused & (at["refusal_source"] == 1), 2, np.where(cut, 1, 0))
    # Which model: the usual one, a second one, the new one after the account moved.
    second = uniform(serial, 38) < at["second_share"]
    model = np.where(second, at["model_second"], at["model"])
    moved = (time >= at["pivot_us"]) & (uniform(serial, 39) < at["pivot_share"])
    model = np.where(moved, len(ALL_MODELS) - 1, model)
    overloaded = uniform(serial, 40) < 0.6
    return {
        "model": _text(ALL_MODELS, model),
        "output_tokens": _null_where(np.minimum(tokens, cap).astype(np.int32), pa.int32(), ~served),
        "finish_reason": pa.compute.if_else(
            pa.array(served), _text(("stop", "length", "content_filter"), reason), pa.scalar(None, pa.string())
        ),
        "refused": _null_where(refused, pa.bool_(), ~served),
        "refusal_source": pa.compute.if_else(
            pa.array(refused), _text(("model", "filter", "policy"), at["refusal_source"]), pa.scalar(None, pa.string())
        ),
        "status": pa.array(
            np.where(limited, 429, np.where(failed, np.where(overloaded, 529, 500), 200)).astype(np.int32)
        ),
        "error_type": pa.compute.if_else(
            pa.array(~served),
            _text(
                ("rate_limit_error", "overloaded_error", "api_error"), np.where(limited, 0, np.where(overloaded, 1, 2))
            ),
            pa.scalar(None, pa.string()),
        ),
        "limit_requests_per_minute": _null_where(at["limit"].astype(np.int32), pa.int32(), ~at["limit_logged"]),
        "limit_remaining": _null_where(plan.remaining[rows], pa.int32(), ~at["limit_logged"]),
    }


def _where(plan: Plan, serial: Ints, at: Columns, time: Ints) -> dict[str, pa.Array]:
    day = time // DAY_US
    by_day = uniform(day * 1_000_003 + at["salt"], 51)
    by_request = uniform(serial, 52)
    # Sticky accounts are on their first address nine times in ten.
    sticky = np.where(by_request < 0.9, 0.0, uniform(serial, 53))
    draw = np.choose(at["address_mode"], [sticky, by_day, by_request])
    address = at["address"] + (draw * at["address_count"]).astype(np.int64)
    progress = (time - plan.start_us) / max(1, plan.end_us - plan.start_us)
    build = np.where(progress >= at["build_change"], at["build_later"], at["build"])
    if "address" not in plan.caches:
        plan.caches["address"] = pa.array(map(_dotted, plan.address.tolist()), pa.string())
    names = plan.caches["address"]
    return {
        "client_ip": names.take(pa.array(address)),
        "asn": pa.array(plan.address_asn[address]),
        "country": _text(COUNTRY_CODES, plan.address_country[address]),
        "user_agent": _text(BUILDS.user_agent, build),
        "ja4": _text(BUILDS.ja4, build),
        "http2_fingerprint": _text(BUILDS.http2, build),
    }


def _dotted(value: int) -> str:
    return f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"


def limits(account: NDArray[Any], time_us: Ints, limit: Ints) -> tuple[Bools, NDArray[np.int32]]:
    """Which rows meet their account's limit (a fixed minute's window), and what was left of it after each.

    `limit` is aligned with the accounts; rows are in order of time.
    """
    order = np.argsort(account, kind="stable")
    slot = account[order].astype(np.int64) << 32 | time_us[order] // MINUTE_US
    fresh = np.append(True, np.diff(slot) != 0)
    begin = np.maximum.accumulate(np.where(fresh, np.arange(len(slot)), 0))
    rank = np.empty(len(slot), dtype=np.int64)
    rank[order] = np.arange(len(slot)) - begin
    own = limit[account]
    return rank >= own, np.maximum(0, own - rank - 1).astype(np.int32)
