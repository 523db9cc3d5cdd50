"""What is filed of the guard: what it was told, which policy was in force, what it decided, a batch at a time.

None of it is about a person. Comes from `evidence.record_spec`; goes on to `evidence.record_types`.
"""

from __future__ import annotations

from typing import Final

from spiritsafe.evidence.record_spec import BY, REASON, RecordType
from spiritsafe.evidence.record_spec import open_field as _open

GUARD_TYPES: Final = (
    RecordType(
        "roster",
        1,
        "What the guards are told of accounts and campaigns was published.",
        (
            *BY,
            _open("roster", "its id, which decisions name"),
            _open("sha256", "digest of its bytes"),
            _open("accounts", "how many it knows"),
            _open("campaigns", "how many it has"),
            _open("confirmed", "how many of these a person confirmed"),
            _open("run_sha256", "digests of the scans' `run.json`, sorted"),
        ),
    ),
    RecordType(
        "guard_policy",
        1,
        "A person put a policy of the guard in force.",
        (
            *BY,
            _open("policy", "its name and version, which decisions name"),
            _open("mode", "shadow or enforce"),
            _open("sha256", "digest of its bytes, kept as an exhibit"),
            REASON,
        ),
    ),
    RecordType(
        "guard_decisions",
        1,
        "What the guard decided, a batch: how often, and the digest of the file that says it one by one.",
        (
            *BY,
            _open("segment", "id of the segment of the journal"),
            _open("policies", "policies that were in force, by name and version, sorted"),
            _open("rosters", "rosters that were in force, by id, sorted"),
            _open("first_us", "time of the first request, UTC microseconds"),
            _open("last_us", "time of the last"),
            _open("acted", "how many requests were answered how: what was done"),
            _open("answers", "what the policy said, though in shadow mode it is not done"),
            _open("sha256", "digest of the file of decisions, kept beside the ledger while it is needed"),
        ),
    ),
)
