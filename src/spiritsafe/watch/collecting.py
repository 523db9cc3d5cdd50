"""Take in what the doors wrote down: sketches that a scan reads, decisions one by one, and a record of each batch.

A segment of the journal becomes two Parquet files of its name, then a record in the ledger, and is then deleted;
whoever is stopped in between does the same again and nothing twice. A segment that was left open is taken when its
writer is gone. A line that cannot be read is refused with its reason and the rest goes on. Comes from `guard.journal`;
goes on to `scan` (the folder `requests`) and to `guard report` (the folder `decisions`).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from spiritsafe import __version__
from spiritsafe.errors import InputError
from spiritsafe.events.model import UTC_US
from spiritsafe.evidence.records import Record
from spiritsafe.files import staged_file, tagged, write_parquet
from spiritsafe.guard.journal import OPEN, SCHEMA, WHOLE, Line
from spiritsafe.guard.model import ANSWERS, Answer, Decision, Reason
from spiritsafe.sketch.model import sketches_schema
from spiritsafe.sketch.parameters import tactic_column
from spiritsafe.watch.times import EPOCH, MICROSECOND, microseconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from spiritsafe.evidence.disclosures import Json
    from spiritsafe.evidence.ledger import Ledger
    from spiritsafe.sketch.patterns import TextTactic

DECISIONS: Final = pa.schema(
    [
        ("event_id", pa.string()),
        ("time", UTC_US),
        ("account_id", pa.string()),
        ("who", pa.string()),
        ("answer", pa.string()),
        ("acted", pa.string()),
        ("rule", pa.string()),
        ("campaign_id", pa.string()),
        ("policy", pa.string()),
        ("roster", pa.string()),
        ("reasons", pa.list_(pa.string())),
        ("shown", pa.list_(pa.string())),
        ("leak", pa.string()),
    ]
)
NAMESPACE: Final = uuid.UUID("5f2d7d6e-0f0b-4f0a-9a70-2f6f9a3b1c55")
"""Of the ids of records about segments: the same segment, the same record."""

REFUSED_LIMIT: Final = 5


class SegmentError(InputError):
    """A segment of the journal was written by another version, or with other sketch parameters than are here."""

    code: ClassVar[str] = "watch.segment"


class DecisionsError(InputError):
    """A file of decisions that were collected is broken."""

    code: ClassVar[str] = "watch.decisions"


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of one segment. `refused` says of the first few lines that could not be read, why not."""

    segment: str
    rows: int
    decisions: int
    lines_refused: int
    refused: tuple[str, ...]


def collect(
    journal: Path, out: Path, *, ledger: Ledger, sketch: Mapping[str, str], tactics: tuple[TextTactic, ...]
) -> Iterator[Collected]:
    """Take in every segment that nobody writes any more.

    Parameters
    ----------
    journal
        The doors' folder.
    out
        Gets `requests/` and `decisions/`, a Parquet file a segment in each.
    ledger
        Gets a record a segment.
    sketch, tactics
        The parameters of this home's sketches, as files name them, and its tactics in their order.

    Raises
    ------
    SegmentError
        A segment is of another version or of other parameters; it stays.
    """
    for path in sorted([*journal.glob(f"*{WHOLE}"), *journal.glob(f"*{OPEN}")]):
        with _taken(path) as mine:
            if mine:
                done = _collect_one(path, out, ledger, sketch, tactics)
                path.unlink()
                yield done


@contextlib.contextmanager
def _taken(path: Path) -> Iterator[bool]:
    """Whether nobody writes a segment any more; held meanwhile, so that it is collected once."""
    try:
        file = path.open("rb")
    except FileNotFoundError:  # made whole, or collected, by somebody else just now
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield path.exists()


def _collect_one(
    path: Path, out: Path, ledger: Ledger, sketch: Mapping[str, str], tactics: tuple[TextTactic, ...]
) -> Collected:
    head, _, rest = path.read_bytes().partition(b"\n")
    if not head and not rest:
        return Collected(path.stem, 0, 0, 0, ())
    _check_head(head, path, sketch)
    lines, refused = _read(rest)
    (out / "requests").mkdir(mode=0o700, parents=True, exist_ok=True)
    (out / "decisions").mkdir(mode=0o700, exist_ok=True)
    if lines:
        _write_requests(lines, out / "requests" / f"{path.stem}.parquet", sketch, tactics)
    decided = [line for line in lines if line.decision is not None]
    if decided:
        _file(path.stem, decided, _write_decisions(decided, out / "decisions" / f"{path.stem}.parquet"), ledger)
    return Collected(path.stem, len(lines), len(decided), len(refused), tuple(refused[:REFUSED_LIMIT]))


def _check_head(head: bytes, path: Path, sketch: Mapping[str, str]) -> None:
    try:
        told = msgspec.json.decode(head, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SegmentError(f"{path} does not begin as a segment does", hint="move it away") from error
    if told.pop("schema", "") != SCHEMA:
        raise SegmentError(f"{path} is no {SCHEMA}", hint="collect it with the version that wrote it")
    differs = [name for name, value in sketch.items() if told.get(name) != value]
    if differs:
        raise SegmentError(
            f"{path} was sketched with another {differs[0].rpartition('.')[2]}",
            hint="collect it in the home that wrote it",
        )


def _read(data: bytes) -> tuple[list[Line], list[str]]:
    lines, refused = [], []
    for number, text in enumerate(data.split(b"\n"), 2):
        if not text:
            continue
        try:
            line = msgspec.json.decode(text, type=Line)
            if not isinstance(line.request.get("account_id"), str) or not isinstance(line.request.get("time_us"), int):
                raise msgspec.ValidationError("it has no account_id or time_us")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            refused.append(f"line {number}: {error}")
        else:
            lines.append(line)
    return lines, refused


def _write_requests(lines: list[Line], path: Path, sketch: Mapping[str, str], tactics: tuple[TextTactic, ...]) -> None:
    """The rows of a segment as a `sketches` file, as `spiritsafe sketch` writes it, names as given."""
    schema = sketches_schema(tactics)
    names = schema.arrow().names
    rows = [_row(line, names, tactics) for line in lines]
    table = pa.Table.from_pylist(rows, schema=schema.arrow())
    with staged_file(path) as staged:
        write_parquet(table.cast(tagged(table.schema, schema.tag, dict(sketch))), staged, schema.tag, dict(sketch))


def _row(line: Line, names: list[str], tactics: tuple[TextTactic, ...]) -> dict[str, Any]:
    request = line.request
    row = {name: value for name, value in request.items() if name in names}
    row |= {
        "time": request["time_us"],
        "operation": request.get("operation") or "chat",
        "model": request.get("model") or "",
        "status": line.status,
        "input_tokens": line.input_tokens,
        "output_tokens": line.output_tokens,
    }
    if line.sketch is not None:
        told = msgspec.structs.asdict(line.sketch)
        scores = told.pop("scores") or (0.0,) * len(tactics)
        row |= {**told, **{tactic_column(one.name): score for one, score in zip(tactics, scores, strict=True)}}
    return row


def _write_decisions(lines: list[Line], path: Path) -> str:
    """The decisions of a segment one by one; the file's SHA-256."""
    rows = [
        {
            "event_id": line.request.get("event_id"),
            "time": line.request["time_us"],
            "account_id": line.request["account_id"],
            "who": line.who,
            **{name: line.decision.get(name, "") for name in ("rule", "campaign_id", "policy", "roster")},
            "answer": Answer(line.decision["answer"]).word,
            "acted": Answer(line.decision["acted"]).word,
            "reasons": [f"{one['kind']}: {one['statement']}" for one in line.decision.get("reasons", ())],
            "shown": line.decision.get("shown", []),
            "leak": line.leak or None,
        }
        for line in lines
        if line.decision is not None
    ]
    with staged_file(path) as staged:
        write_parquet(pa.Table.from_pylist(rows, schema=DECISIONS), staged, "guard_decisions/1.0")
        return hashlib.sha256(staged.read_bytes()).hexdigest()


def _file(segment: str, lines: list[Line], digest: str, ledger: Ledger) -> None:
    """Put a batch of decisions on record, once."""
    decisions = [line.decision for line in lines if line.decision is not None]
    times = [line.request["time_us"] for line in lines]

    def counted(name: str) -> dict[str, Json]:
        counts = Counter(Answer(one[name]) for one in decisions)
        return {answer.word: count for answer, count in sorted(counts.items())}

    fields: dict[str, Json] = {
        "by": "program",
        "name": f"spiritsafe {__version__}",
        "segment": segment,
        "policies": [*sorted({str(one["policy"]) for one in decisions})],
        "rosters": [*sorted({str(one["roster"]) for one in decisions})],
        "first_us": min(times),
        "last_us": max(times),
        "acted": counted("acted"),
        "answers": counted("answer"),
        "sha256": digest,
    }
    record = Record("guard_decisions/1", fields, record_id=str(uuid.uuid5(NAMESPACE, segment)))
    with ledger.writing() as writer:
        if not writer.holds(record.record_id):
            writer.append([record])


def decided(folder: Path, *, from_us: int = 0) -> Iterator[tuple[str, int, str, Decision]]:
    """Decisions that were collected, from a time on: account, time (UTC microseconds), class of the account, decision.

    Raises
    ------
    DecisionsError
        A file is broken.
    """
    for path in sorted(folder.glob("*.parquet")):
        try:
            rows = pq.read_table(path, filters=[("time", ">=", EPOCH + from_us * MICROSECOND)]).to_pylist()
        except (OSError, pa.ArrowInvalid, KeyError) as error:
            raise DecisionsError(
                f"{path} is broken: {error}", hint="move it away; its digest is in the ledger"
            ) from error
        for row in rows:
            decision = Decision(
                answer=ANSWERS[row["answer"]],
                acted=ANSWERS[row["acted"]],
                policy=row["policy"],
                roster=row["roster"],
                rule=row["rule"],
                campaign_id=row["campaign_id"],
                reasons=tuple(Reason(*one.split(": ", 1)) for one in row["reasons"]),
                shown=tuple(row["shown"]),
            )
            yield row["account_id"], microseconds(row["time"]), row["who"], decision
