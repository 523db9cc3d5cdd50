"""One check for each way to go silent: what was seen in these rows, or nothing.

Thresholds are set so that a small but honest log (twenty requests, five accounts) raises no alarm.
Comes from `events.silences`; goes back there.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from spiritsafe.events.cut_texts import ends_cut
from spiritsafe.events.mapping_text import visible
from spiritsafe.events.silences import DEAD, WEAK, Look, Seen

_ROWS_MIN: Final = 20
_ACCOUNTS_MIN: Final = 5
_NEARLY_ALL: Final = 0.95
_TEXTS_MAX: Final = 5_000
_TEXT_CHARS: Final = 2_000
_HASHED: Final = re.compile(r"[0-9a-fA-F]{16,128}|[A-Za-z0-9+/]{22,88}={0,2}")
_SECRET: Final = re.compile(r"(?i)(bearer )|(sk|pk|rk)[-_][A-Za-z0-9_-]{16,}|AIza|eyJ")
_PLACEHOLDERS: Final = frozenset(
    "anonymous anon unknown default none null nil n/a na - 0 -1 guest service system user test undefined".split()  # noqa: SIM905
)
# Not `ipaddress.is_private`: it counts the addresses of documentation and examples too.
_PRIVATE: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10",
        "fc00::/7", "fe80::/10", "::1/128",
    )
)  # fmt: skip
Check = Callable[[Look], Seen | None]

# --- who --------------------------------------------------------------------------------------------------


def _one_account(look: Look) -> Seen | None:
    if not look.has("account_id") or look.rows.num_rows < _ROWS_MIN:
        return None
    value, share, distinct = look.top("account_id")
    if distinct == 1:
        return Seen("every request is of one account")
    if value.strip().lower() in _PLACEHOLDERS and share > 0.5:
        return Seen(f"{share:.0%} of the requests are of {visible(value)!r}, which reads like a placeholder")
    return None


def _account_per_row(look: Look) -> Seen | None:
    if look.rows.num_rows < 2 * _ROWS_MIN or look.accounts < 0.98 * look.rows.num_rows:
        return None
    return Seen(f"{look.accounts:,} accounts in {look.rows.num_rows:,} requests: nearly each request has its own")


def _few_accounts(look: Look) -> Seen | None:
    if not 1 < look.accounts < _ACCOUNTS_MIN or look.rows.num_rows < _ROWS_MIN:
        return None
    return Seen(f"only {look.accounts} accounts")


def _pseudonymous(look: Look) -> Seen | None:
    from spiritsafe.events.pseudonyms import KEY_ID, PSEUDONYMISED, PseudonymError, parse_pseudonym

    marked = PSEUDONYMISED in look.metadata
    if not marked and look.has("account_id"):
        try:
            for value in look.values("account_id").slice(0, 20).to_pylist():
                parse_pseudonym(value)
            marked = True
        except PseudonymError:
            return None
    key = visible(look.metadata.get(KEY_ID, b"").decode("utf-8", "replace"))
    return (
        Seen(f"account ids are pseudonyms already{f' (key {key})' if key else ''}; they are not hashed again")
        if marked
        else None
    )


def _secrets(look: Look) -> Seen | None:
    if not look.has("api_key_id"):
        return None
    sample = look.values("api_key_id").slice(0, 200).to_pylist()
    bare = sum(_SECRET.match(value) is not None for value in sample)
    return Seen("API keys stand in the log in clear") if bare >= 0.5 * len(sample) else None


# --- where from -------------------------------------------------------------------------------------------


def _one_address(look: Look) -> Seen | None:
    if not look.has("client_ip") or look.rows.num_rows < _ROWS_MIN or look.accounts < 2:
        return None
    value, _, distinct = look.top("client_ip")
    counts = sorted(pc.value_counts(look.values("client_ip")).field("counts").to_pylist(), reverse=True)
    few = 1 if look.accounts < 40 else 3
    if sum(counts[:few]) < _NEARLY_ALL * sum(counts):
        return None
    whose = "private, so your own proxy's" if _is_private(value) else "a proxy's, by the look of it"
    how_many = "one address" if min(distinct, few) == 1 else f"{min(distinct, few)} addresses"
    which = "every request comes" if distinct <= few else "nearly all requests come"
    return Seen(f"{which} from {how_many} ({whose})", do=_forwarding(look))


def _private_addresses(look: Look) -> Seen | None:
    if not look.has("client_ip") or look.rows.num_rows < _ROWS_MIN or _one_address(look) is not None:
        return None
    values = look.values("client_ip").unique().slice(0, 2000).to_pylist()
    private = sum(map(_is_private, values))
    if private < 0.8 * len(values):
        return None
    seen = f"{private:,} of {len(values):,} addresses are private: they name machines inside, not clients"
    return Seen(seen, do=_forwarding(look))


def _forwarding(look: Look) -> str:
    if not look.forwarded:
        return ""
    return (
        f'read client_ip from {visible(look.forwarded)} with transform = "forwarded_for" and `hop` = how many proxies'
        " of your own stand in front (the left-most entry is only what the client claims)"
    )


def _is_private(text: str) -> bool:
    try:
        one = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(one in network for network in _PRIVATE if network.version == one.version)


def _one_value(column: str, what: str) -> Check:
    """A check for a column that says the same for everybody."""

    def check(look: Look) -> Seen | None:
        if not look.has(column) or look.rows.num_rows < _ROWS_MIN or look.accounts < _ACCOUNTS_MIN:
            return None
        value, _, distinct = look.top(column)
        return Seen(f"every request has the same {what} ({visible(value)[:60]})") if distinct == 1 else None

    return check


# --- when -------------------------------------------------------------------------------------------------


def _clock(look: Look) -> pa.Array | None:
    """Times as microseconds, shape (n,); None where there are too few to judge."""
    if not look.has("time") or look.rows.num_rows < _ROWS_MIN:
        return None
    return look.values("time").cast(pa.int64())


def _span_s(micros: pa.Array) -> float:
    return float(pc.max(micros).as_py() - pc.min(micros).as_py()) / 1e6


def _one_second(look: Look) -> Seen | None:
    micros = _clock(look)
    # A busy log may hold thousands of requests a second, and the rows looked at may be its first few.
    if micros is None or _span_s(micros) >= max(1.0, len(micros) / 5_000):
        return None
    return Seen(f"all {len(micros):,} requests lie within {_span_s(micros):.3f} s")


def _coarse_clock(look: Look) -> Seen | None:
    micros = _clock(look)
    if micros is None or _one_second(look) is not None:
        return None
    for step_s, word, severity in ((86_400, "days", DEAD), (3_600, "hours", DEAD), (60, "minutes", WEAK)):
        step = step_s * 1_000_000
        if pc.all(pc.equal(pc.multiply(pc.divide(micros, step), step), micros)).as_py():
            return Seen(f"all times are whole {word}", severity)
    return None


def _frozen_clock(look: Look) -> Seen | None:
    micros = _clock(look)
    if micros is None or len(micros) < 10 * _ROWS_MIN or _one_second(look) or _coarse_clock(look):
        return None
    distinct = len(micros.unique())
    # A busy log in whole seconds fills nearly every second; batches leave most of them empty.
    batches = distinct <= len(micros) / 20 and distinct < 0.5 * min(len(micros), _span_s(micros))
    if not batches and look.top("time")[1] < 0.2:
        return None
    return Seen(f"only {distinct:,} different times in {len(micros):,} requests: whole batches share a microsecond")


def _short_window(look: Look) -> Seen | None:
    micros = _clock(look)
    if micros is None or _one_second(look) is not None or _span_s(micros) >= 6 * 3600:
        return None
    return Seen(f"the rows looked at span {_span_s(micros) / 3600:.1f} hours")


def _naive(look: Look) -> Seen | None:
    if not look.timezone_missing:
        return None
    return Seen("times carry no offset from UTC; they were taken as UTC for this look only")


# --- what -------------------------------------------------------------------------------------------------


def _prompts_equal(look: Look) -> Seen | None:
    if not look.has("prompt") or look.rows.num_rows < _ROWS_MIN:
        return None
    value, share, distinct = look.top("prompt")
    if not value.strip():
        return None  # empty, which is another fault
    if distinct == 1:
        return Seen("all prompts are equal (redacted, or a constant?)")
    return Seen(f"{share:.0%} of the prompts are the same text (redacted?)") if share >= 0.8 else None


def _prompts_empty(look: Look) -> Seen | None:
    if "prompt" not in look.rows.column_names or look.rows.num_rows < _ROWS_MIN:
        return None
    lengths = pc.fill_null(pc.utf8_length(pc.utf8_trim_whitespace(look.rows["prompt"])), 0)
    share = pc.sum(pc.equal(lengths, 0)).as_py() / look.rows.num_rows
    return Seen(f"{share:.0%} of the prompts are empty", "" if share > 0.9 else WEAK) if share >= 0.5 else None


def _prompts_cut(look: Look) -> Seen | None:
    if not look.has("prompt") or look.rows.num_rows < 2 * _ROWS_MIN:
        return None
    longest, share = 0, 0.0
    texts = chosen = look.values("prompt")
    # Some exports count characters, others bytes.
    for lengths in (pc.utf8_length(texts), pc.binary_length(texts)):
        most = pc.max(lengths).as_py()
        at_most = pc.equal(lengths, most)
        part = pc.sum(at_most).as_py() / len(lengths)
        if most >= 16 and part > share:
            longest, share, chosen = most, part, texts.filter(at_most)
    if share < 0.05 or _prompts_hashed(look) is not None or _prompts_equal(look) is not None:
        return None
    heads = pc.utf8_slice_codeunits(texts.unique().slice(0, _TEXTS_MAX), 0, _TEXT_CHARS)
    if not ends_cut(chosen.unique().slice(0, _TEXTS_MAX).to_pylist(), heads.to_pylist()):
        return None
    severity = DEAD if share > 0.5 and longest < 200 else WEAK
    return Seen(f"{share:.0%} of the prompts end at exactly {longest:,} characters: the log cuts them", severity)


def _prompts_hashed(look: Look) -> Seen | None:
    if not look.has("prompt") or look.rows.num_rows < _ROWS_MIN:
        return None
    sample = look.values("prompt").unique().slice(0, 500).to_pylist()
    hashed = sum(_HASHED.fullmatch(value) is not None and len(set(value)) > 6 for value in sample)
    same_length = len({len(value) for value in sample}) <= 2
    return Seen("prompts are hashes, not text") if hashed >= 0.9 * len(sample) and same_length else None


def _prompts_whole(look: Look) -> Seen | None:
    if not look.has("prompt") or look.rows.num_rows < _ROWS_MIN:
        return None
    heads = pc.utf8_slice_codeunits(pc.utf8_ltrim_whitespace(look.values("prompt")), 0, 60)
    whole = pc.match_substring_regex(heads, r'^[\[{].*"(role|content|messages)"')
    if pc.sum(whole).as_py() < 0.5 * len(whole):
        return None
    return Seen("prompts are whole message lists: each turn repeats what came before, and looks like a template")


# --- rows -------------------------------------------------------------------------------------------------


def _duplicates(look: Look) -> Seen | None:
    rows = look.rows.num_rows
    if rows < _ROWS_MIN or not look.has("event_id"):
        return None
    by_id = rows - look.top("event_id")[2]
    names = [name for name in ("account_id", "time", "prompt", "model") if look.has(name)]
    by_row = rows - look.rows.group_by(names).aggregate([]).num_rows if "prompt" in names else 0
    worst = max(by_id, by_row)
    if worst < 0.01 * rows:
        return None
    what = "have another's event_id" if by_id >= by_row else "repeat another's account, time, model and prompt"
    return Seen(f"{worst / rows:.0%} of the rows {what}")


def _turn_from_one(look: Look) -> Seen | None:
    if not look.has("turn") or look.rows.num_rows < 2 * _ROWS_MIN or pc.min(look.values("turn")).as_py() != 1:
        return None
    return Seen("turns count from 1; the contract's count from 0")


def _many_refused(look: Look) -> Seen | None:
    refused = sum(look.refused.values())
    share = refused / max(1, refused + look.rows.num_rows)
    if share < 0.02:
        return None
    code, count = max(look.refused.items(), key=lambda pair: pair[1])
    seen = f"{share:.0%} of the rows are refused, most of them as {code} ({count:,})"
    return Seen(seen, DEAD if share > 0.5 else WEAK)


CHECKS: Final[dict[str, Check]] = {
    "doctor.one_account": _one_account,
    "doctor.account_per_row": _account_per_row,
    "doctor.few_accounts": _few_accounts,
    "doctor.pseudonymous": _pseudonymous,
    "doctor.secret_keys": _secrets,
    "doctor.one_address": _one_address,
    "doctor.private_addresses": _private_addresses,
    "doctor.one_user_agent": _one_value("user_agent", "user agent"),
    "doctor.one_ja4": _one_value("ja4", "TLS fingerprint"),
    "doctor.one_http2": _one_value("http2_fingerprint", "HTTP/2 fingerprint"),
    "doctor.one_model": _one_value("model", "model"),
    "doctor.one_organization": _one_value("organization_id", "organisation"),
    "doctor.one_second": _one_second,
    "doctor.coarse_clock": _coarse_clock,
    "doctor.frozen_clock": _frozen_clock,
    "doctor.short_window": _short_window,
    "doctor.naive_time": _naive,
    "doctor.prompts_equal": _prompts_equal,
    "doctor.prompts_empty": _prompts_empty,
    "doctor.prompts_cut": _prompts_cut,
    "doctor.prompts_hashed": _prompts_hashed,
    "doctor.prompts_whole_history": _prompts_whole,
    "doctor.duplicates": _duplicates,
    "doctor.turn_from_one": _turn_from_one,
    "doctor.many_refused": _many_refused,
}
