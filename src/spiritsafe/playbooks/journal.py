"""Runs of playbooks in the ledger: begun, gone on with, and read back.

Comes from `playbooks.runner` and the command; goes on to `evidence` and `playbooks.runs`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from spiritsafe import __version__
from spiritsafe.evidence.exhibits import ExhibitMissingError, Exhibits
from spiritsafe.evidence.reading import utc_us
from spiritsafe.evidence.records import Record, now_us
from spiritsafe.playbooks.reading import read_playbook
from spiritsafe.playbooks.runs import Run, RunUnknownError, told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spiritsafe.evidence.ledger import Ledger
    from spiritsafe.keys.persons import Persons, Signer
    from spiritsafe.playbooks.model import Playbook

MEDIA_TYPE: Final = "application/cacao+json;version=2.0"
PROGRAM: Final = f"spiritsafe {__version__}"
_SHORTEST_TAIL: Final = 4
_GOING_ON: Final = frozenset({"started", "resumed"})


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in a list. `state` is that of its last record of itself: `started`, or what ended or halted it."""

    run_id: str
    case_id: str
    title: str
    state: str
    started_us: int
    changed_us: int


class Journal:
    """The runs of one ledger."""

    def __init__(self, ledger: Ledger, persons: Persons, *, clock_us: Callable[[], int] = now_us) -> None:
        self._ledger = ledger
        self._persons = persons
        self._clock_us = clock_us
        self._exhibits = Exhibits(ledger)
        self._playbooks: dict[str, Playbook] = {}

    @property
    def now_us(self) -> int:
        """UTC microseconds."""
        return self._clock_us()

    def close(self) -> None:
        """Give the exhibits back."""
        self._exhibits.close()

    def start(
        self, run_id: str, playbook: Playbook, given: Mapping[str, str], *, case_id: str, reason: str, source: str,
        signer: Signer | None = None, parent: str = "",
    ) -> Run:  # fmt: skip
        """Keep the playbook's bytes, and file that it was started: by a person, or by another run."""
        try:
            self._exhibits.read(playbook.sha256)
        except ExhibitMissingError:
            self._exhibits.keep(
                playbook.body, media_type=MEDIA_TYPE, title=playbook.name[:200], source=source, by=PROGRAM
            )
        more = {"parent": parent} if parent else {}
        fields = self._run_fields(run_id, playbook, "started", reason, signer) | more | {"variables": dict(given)}
        self._file("playbook_run/1", fields, case_id, signer)
        return self.read(run_id)

    def file_run(self, run: Run, state: str, *, reason: str, signer: Signer | None = None) -> None:
        """File that a run was halted, resumed, rolled back or ended."""
        more = {"variables": run.state.variables} if state in {"succeeded", "failed"} else {}
        fields = self._run_fields(run.run_id, run.playbook, state, reason, signer) | more
        self._file("playbook_run/1", fields, run.case_id, signer)

    def file_step(self, run: Run, instance: str, title: str, state: str, **more: Any) -> None:
        """File what became of a step; `more` are further fields of `playbook_step/1`."""
        fields = {"by": "program", "name": PROGRAM, "run": run.run_id, "step": instance, "state": state, "title": title}
        self._file("playbook_step/1", fields | more, run.case_id, None)

    def file_approval(self, run: Run, signer: Signer, **fields: Any) -> None:
        """File what a person said about a step."""
        told_by = {"by": "person", "name": signer.name, "run": run.run_id}
        self._file("approval/1", told_by | fields, run.case_id, signer)

    def holds(self, run_id: str) -> bool:
        """Whether there is a run with this id."""
        return bool(self._ledger.records_of_run(run_id))

    def read(self, run_id: str) -> Run:
        """A run as it stands; raises `RunUnknownError`."""
        records = self._ledger.records_of_run(run_id)
        if not records:
            raise RunUnknownError(f"there is no run {run_id[:60]}", hint="`spiritsafe playbook list` shows runs")
        return told(records, self._playbook(str(records[0].fields["playbook_sha256"])), self._persons)

    def again(self, run: Run) -> Run:
        """A run with what was filed since it was read."""
        return told(self._ledger.records_of_run(run.run_id, run.position), run.playbook, self._persons, run)

    def find(self, text: str) -> Run:
        """The run with an id, or with an id that ends so; raises `RunUnknownError`."""
        given = text.strip()
        found = [run_id for run_id in self._heads() if len(given) >= _SHORTEST_TAIL and run_id.endswith(given)]
        if len(found) != 1:
            what = "several runs have an id that ends so" if found else f"there is no run {given[:60]}"
            raise RunUnknownError(what, hint="`spiritsafe playbook list` shows runs")
        return self.read(found[0])

    def lines(self, *, limit: int | None = None) -> list[RunLine]:
        """Runs, the last changed last; the newest `limit` of them. Of no other any sealed field is opened."""
        heads = [*self._heads().values()]
        return [self._line(*held) for held in (heads if limit is None else heads[-limit:])]

    def unfinished(self) -> list[str]:
        """The ids of runs that are neither halted nor over."""
        return [run_id for run_id, (*_, last) in self._heads().items() if last["open"]["state"] in _GOING_ON]

    def _heads(self) -> dict[str, tuple[int, dict[str, Any], dict[str, Any]]]:
        """Of each run the place of its first record, and the entries of its first and its last; last changed last."""
        found: dict[str, tuple[int, dict[str, Any], dict[str, Any]]] = {}
        for entry in self._ledger.entries(record="playbook_run/1"):
            head = json.loads(entry.body)
            run_id = str(head["open"]["run"])
            position, first, _ = found.pop(run_id, (entry.position, head, head))
            found[run_id] = (position, first, head)
        return found

    def _line(self, position: int, first: dict[str, Any], last: dict[str, Any]) -> RunLine:
        openings = self._ledger.openings(position)
        title = next(str(one.disclosure.value) for one in openings if one.field == "title")
        return RunLine(
            str(first["open"]["run"]), str(first.get("case") or ""), title, str(last["open"]["state"]),
            utc_us(first["time"]), utc_us(last["time"]),
        )  # fmt: skip

    def _playbook(self, sha256: str) -> Playbook:
        """A playbook by the digest of its bytes, as they were kept when the run began."""
        if sha256 not in self._playbooks:
            self._playbooks[sha256] = read_playbook(self._exhibits.read(sha256))
        return self._playbooks[sha256]

    def _run_fields(
        self, run_id: str, playbook: Playbook, state: str, reason: str, signer: Signer | None
    ) -> dict[str, Any]:
        by = {"by": "person", "name": signer.name} if signer else {"by": "program", "name": PROGRAM}
        return by | {
            "playbook": playbook.playbook_id,
            "playbook_sha256": playbook.sha256,
            "run": run_id,
            "state": state,
            "interpreter": PROGRAM,
            "title": playbook.name,
            "reason": reason,
        }

    def _file(self, kind: str, fields: Mapping[str, Any], case_id: str, signer: Signer | None) -> None:
        self._ledger.append([Record(kind, fields, case_id=case_id or None, time_us=self.now_us, signer=signer)])
