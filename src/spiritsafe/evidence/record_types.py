"""The record types: what may be filed, and which of it is open, sealed, or about a person.

A record type has a name and a version; what it holds never changes under the same version. Of its fields
*open* ones stand in the log for every reader, *sealed* ones as commitments that can be shown one by one, and
*personal* ones as commitments as well, encrypted where they are kept under a key of the person's own, so that
they can be erased. Nothing that tells who somebody is is ever open: neither account, analyst nor customer.
Comes from `evidence.record_spec`; goes on to `evidence.records`, which holds records to their type, and to the
reference page.
"""

from __future__ import annotations

from typing import Final

from spiritsafe.evidence.guard_record_types import GUARD_TYPES
from spiritsafe.evidence.record_spec import BY as _BY
from spiritsafe.evidence.record_spec import REASON as _REASON
from spiritsafe.evidence.record_spec import (
    RecordError,
    RecordType,
)
from spiritsafe.evidence.record_spec import open_field as _open
from spiritsafe.evidence.record_spec import personal_field as _personal
from spiritsafe.evidence.record_spec import sealed_field as _sealed

TYPES: Final[dict[str, RecordType]] = {
    kind.full_name: kind
    for kind in (
        *GUARD_TYPES,
        RecordType("note", 1, "A remark that somebody wants on record.", (*_BY, _sealed("text", "the remark"))),
        RecordType(
            "exhibit",
            1,
            "Bytes that are kept with the log and are about nobody: a playbook, a list, a plan.",
            (
                *_BY,
                _open("media_type", "what the bytes are (RFC 6838)"),
                _open("size_bytes", "how many"),
                _open("sha256", "their digest, in hexadecimal"),
                _sealed("title", "what they show"),
                _sealed("source", "where they came from and how they were taken"),
            ),
        ),
        RecordType(
            "preserved",
            1,
            "Rows that a case rests on were kept, each subject's encrypted under its own key.",
            (
                *_BY,
                _open("media_type", "what their bytes are (RFC 6838)"),
                _open("row_count", "how many rows, of all subjects"),
                _open("source_sha256", "digests of the files that they were taken from, sorted"),
                _sealed("source", "how they were taken"),
                _personal("parts", "subject, rows, digests of the encrypted bytes and of the rows", many=True),
            ),
        ),
        RecordType(
            "look",
            1,
            "A person looked at rows that were kept for a case.",
            (*_BY, _REASON, _personal("accounts", "whose rows they looked at", many=True)),
        ),
        RecordType(
            "scan_run",
            1,
            "A scan: what was read, with what, and what came out.",
            (
                *_BY,
                _open("version", "the version of spiritsafe"),
                _open("run_sha256", "digest of `run.json`"),
                _open("input_sha256", "digests of the inputs, sorted"),
                _open("output_sha256", "digests of the outputs, by file name"),
                _open("settings_sha256", "digest of the settings in canonical JSON"),
                _open("campaign_count", "how many groups had the verdict `campaign`"),
                _sealed("settings", "the settings"),
                _sealed("clock_range", "first and last time in the log"),
                _sealed("coverage", "columns that were there, and what was missing"),
            ),
        ),
        RecordType(
            "finding",
            1,
            "A group that a scan judged, as it was put before people.",
            (
                *_BY,
                _open("campaign_id", "hash of the members, as in `campaigns.json`"),
                _open("run_record", "id of the `scan_run` record"),
                _open("verdict", "`campaign`, `open_coordination`, `coordinated_unknown` or `insufficient_data`"),
                _open("q_value", "share of false groups to expect among those as significant"),
                _open("axes", "coordination, extraction, concealment: supported, contradicted, not_observable"),
                _sealed("headline", "the group in a sentence"),
                _sealed("evidence", "each axis with its evidence, bits and rarity"),
                _sealed("significance", "method, null, p-value and q-value"),
                _sealed("exposure", "exchanges, tokens, capabilities, first and last seen"),
                _sealed("alternatives", "innocent explanations, and how each fared"),
                _sealed("missing", "what could not be looked at"),
                _sealed("joined", "why it belongs to a case that was open already", required=False),
                _personal("members", "each account with probability, role, bits and rare traits", many=True),
            ),
        ),
        RecordType(
            "case_move",
            1,
            "A case went from one state to another.",
            (
                *_BY,
                _open("before", "the state; empty where the case opens"),
                _open("after", "the state"),
                _open("as_of", "how many entries the ledger held when whoever moved it had looked"),
                _open("persons_required", "how many had to agree, as configured", required=False),
                _open("proposal", "id of the record by which another person asked for the same", required=False),
                _REASON,
            ),
        ),
        RecordType(
            "case_proposal",
            1,
            "A person asks for a move that needs a second one.",
            (
                *_BY,
                _open("before", "the state"),
                _open("after", "the state that is asked for"),
                _open("as_of", "how many entries the ledger held when the person had looked"),
                _REASON,
            ),
        ),
        RecordType(
            "case_join",
            1,
            "A person judged that a case is another's: it is closed, and what was found goes on there.",
            (*_BY, _open("into", "id of the other case"), _REASON),
        ),
        RecordType(
            "case_member",
            1,
            "An account of a case was cleared: it is none of the campaign's. Or that was taken back.",
            (*_BY, _open("state", "cleared or restored"), _REASON, _personal("account", "the account")),
        ),
        RecordType(
            "assessment",
            1,
            "What a person judges of one claim: the accounts act as one, who operates them, what was trained on it.",
            (
                *_BY,
                _open("claim", "accounts_act_as_one, operated_by or outputs_trained_model"),
                _open("likelihood", "a term of ICD 203; empty where none is stated", required=False),
                _open("confidence", "low, moderate or high, and why it is not more is in the statement"),
                _sealed("statement", "the judgement in words, without its confidence"),
                _sealed("basis", "evidence it rests on, each with its Admiralty grade", many=True),
                _sealed(
                    "alternatives", "other explanations that were looked at, and what speaks against them", many=True
                ),
                _personal("operator", "whom it names", required=False),
            ),
        ),
        RecordType(
            "approval",
            1,
            "A person agreed to what a playbook's step asks, or refused it; or said how something went that they did.",
            (
                *_BY,
                _open("run", "id of the playbook's run"),
                _open("action", "what was asked: visit to the step, and which of its commands"),
                _open("decision", "`approved` or `refused`"),
                _open("asked_sha256", "digest of what was asked, with every value in its place"),
                _open(
                    "scope", "most accounts, verified customers and organisations it may touch; objections predicted"
                ),
                _sealed("values", "values that the step gives", required=False),
                _REASON,
            ),
        ),
        RecordType(
            "action",
            1,
            "Something was done to accounts, or undone.",
            (
                *_BY,
                _open("action", "id; the same when it is tried again"),
                _open("kind", "throttle, challenge, suspend, notify, reinstate, ..."),
                _open("outcome", "`done`, `failed`, `passed` (a challenge), `undo_ordered` or `undone`"),
                _open("automated", "whether a person decided it for these accounts"),
                _sealed("ground", "the rule of the terms that was broken"),
                _sealed("detail", "what was called, and what it answered; why it is undone"),
                _personal("accounts", "the accounts it touched", many=True),
            ),
        ),
        RecordType(
            "playbook_run",
            1,
            "A playbook was started, halted, resumed, rolled back, or came to its end.",
            (
                *_BY,
                _open("playbook", "its CACAO id"),
                _open("playbook_sha256", "digest of its bytes, kept as an exhibit"),
                _open("run", "id of the run"),
                _open("state", "started, halted, resumed, rolled_back, succeeded or failed"),
                _open("interpreter", "version that runs it"),
                _open("parent", "run and step that started it", required=False),
                _sealed("title", "what the playbook is called"),
                _sealed("variables", "values with which it began, or ended", required=False),
                _REASON,
            ),
        ),
        RecordType(
            "playbook_step",
            1,
            "One step of a run.",
            (
                *_BY,
                _open("run", "id of the run"),
                _open("step", "visit to the step: its CACAO id, and the how-manieth"),
                _open("state", "begun, waiting, executed, done or failed"),
                _open("command", "which of its commands was executed, from 0", required=False),
                _open("idempotency_key", "what the receiver was given", required=False),
                _sealed("title", "what the step is called"),
                _sealed("values", "values that it gave", required=False),
                _sealed("detail", "what was called and answered, what it waits for, or why it failed", required=False),
            ),
        ),
        RecordType(
            "attestation",
            1,
            "An allowance was given, changed or withdrawn.",
            (
                *_BY,
                _open("attestation", "id; the same when it is changed or withdrawn"),
                _open("kind", "licensed_distillation, approved_red_team, academic, reseller, customer_fleet"),
                _open("state", "given, changed, withdrawn"),
                _open("not_before", "UTC"),
                _open("expires_at", "UTC"),
                _sealed("owner", "who answers for it"),
                _REASON,
                _personal("subject", "account or organisation"),
            ),
        ),
        RecordType(
            "notice",
            1,
            "A statement of reasons went to the holder of an account.",
            (
                *_BY,
                _open("form", "holder, reviewer or regulator"),
                _open("automated", "whether the decision was"),
                _personal("account", "whom it concerns"),
                _personal("text", "the statement"),
            ),
        ),
        RecordType(
            "appeal",
            1,
            "An appeal was made, decided, or its clock ran out.",
            (
                *_BY,
                _open("appeal", "id"),
                _open("state", "made, in_review, interim_relief, upheld, granted"),
                _open("due_at", "UTC", required=False),
                _open("whole_case", "whether it says that there is no campaign at all", required=False),
                _REASON,
                _personal("account", "who appeals"),
                _personal("statement", "what the holder says", required=False),
            ),
        ),
        RecordType(
            "retraction",
            1,
            "What was found of an account or of a whole case does not hold; to be told to whoever was told it.",
            (
                *_BY,
                _open("retraction", "id"),
                _open("scope", "account or case"),
                _open("campaign_ids", "the findings, as they were shared"),
                _REASON,
                _personal("accounts", "of whom it does not hold", many=True),
            ),
        ),
        RecordType(
            "screening",
            1,
            "Names behind a case were held against a list. A hit is a lead, and none is no clearance.",
            (
                *_BY,
                _open("list_name", "the list"),
                _open("list_version", "its version or date"),
                _open("list_sha256", "digest of the file"),
                _open("algorithm", "what matched, with its version and threshold"),
                _open("hit_count", "how many entries"),
                _personal("query", "the names", many=True),
                _personal("hits", "entry, score and why", many=True),
            ),
        ),
        RecordType(
            "dossier",
            1,
            "A dossier was drawn up from the ledger, or a second person read what it says.",
            (
                *_BY,
                _open("state", "drawn or read"),
                _open("content_sha256", "digest of what it says"),
                _open("leaves", "whether it is the version that is meant to leave the firm"),
                _REASON,
            ),
        ),
        RecordType(
            "share",
            1,
            "Something was sent to another firm or to government, received, or taken back.",
            (
                *_BY,
                _open("direction", "sent, received, retracted"),
                _open("tlp", "TLP 2.0 marking"),
                _open("bundle_sha256", "digest of what was shared"),
                _open("legal_basis", "as configured"),
                _sealed("partner", "with whom"),
            ),
        ),
        RecordType(
            "test_plan",
            1,
            "What a test of a suspect model will look at, fixed before it is run.",
            (
                *_BY,
                _open("plan_sha256", "digest of the plan"),
                _open("alpha", "level"),
                _sealed("plan", "statistic, null, sample, stopping rule"),
                _sealed("model", "the suspect"),
            ),
        ),
        RecordType(
            "hold",
            1,
            "A legal hold keeps a case's personal data from erasure, or no longer does.",
            (
                *_BY,
                _open("hold", "id"),
                _open("state", "placed or released"),
                _open("expires_at", "UTC"),
                _sealed("owner", "who answers for it"),
                _REASON,
            ),
        ),
        RecordType(
            "erasure",
            1,
            "Somebody's data in a case was destroyed: key and salts are gone, the commitments stay.",
            (
                *_BY,
                _open("subject", "the random handle that stood for them"),
                _open("field_count", "how many commitments can no longer be opened"),
                _sealed("basis", "on whose request and which ground"),
            ),
        ),
    )
}


def type_of(full_name: str) -> RecordType:
    """The record type; raises `RecordError`."""
    if full_name not in TYPES:
        raise RecordError(f"{full_name!r} is nothing that is filed", hint=f"one of: {', '.join(sorted(TYPES))}")
    return TYPES[full_name]
