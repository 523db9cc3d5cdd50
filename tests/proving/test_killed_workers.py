"""A process that words prompts is killed, as the system does when memory runs out."""

import os
import signal

import pytest

from spiritsafe.proving import workers
from spiritsafe.proving.rows import BATCH_ROWS


class LongPlan:
    def __len__(self) -> int:
        return 10 * BATCH_ROWS


def test_a_killed_worker_is_said_instead_of_waited_for(monkeypatch):
    monkeypatch.setattr(workers, "_say", lambda _bounds: os.kill(os.getpid(), signal.SIGKILL))
    monkeypatch.setattr(workers._say, "__qualname__", "_say")
    monkeypatch.setattr(workers._say, "__module__", workers.__name__)
    with pytest.raises(workers.WorkerKilledError, match="memory") as caught:
        list(workers.said_in_order(LongPlan(), 2))  # type: ignore[arg-type]
    assert caught.value.exit_code == 5
    assert not workers._shared
