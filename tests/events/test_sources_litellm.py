"""LiteLLM's payload, from the real LiteLLM: its log is read, and its types still have the fields that we read."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pytest

from spiritsafe.events.sources import litellm_log
from spiritsafe.events.sources.messages import tool_schema_hash
from tests.events.source_rows import read_all, write_lines

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON: Final = ROOT / ".venvs" / "litellm" / "bin" / "python"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[str]]]:
    """A log by the real LiteLLM, in its own environment, and the fields of its payload types."""
    if not PYTHON.exists():
        pytest.fail(
            "LiteLLM's environment is missing: run `make setup` (it installs requirements/litellm.txt)", pytrace=False
        )
    path = tmp_path_factory.mktemp("litellm") / "log.jsonl"
    command = [PYTHON, ROOT / "scripts" / "make_litellm_log.py", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    fields: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return path, fields


@pytest.fixture(scope="module")
def rows(real: tuple[Path, dict[str, list[str]]]) -> list[dict[str, Any]]:
    # LiteLLM stamps its calls with the present.
    table, rejected, source = read_all(real[0], now_us=None)
    assert (len(table), rejected, source.format) == (5, [], "litellm")
    assert isinstance(table, pa.Table)
    return [{name: value for name, value in row.items() if value is not None} for row in table.to_pylist()]


def by_prompt(rows: list[dict[str, Any]], prompt: str) -> dict[str, Any]:
    (row,) = [row for row in rows if row.get("prompt") == prompt]
    return row


def test_a_chat_by_the_real_litellm(rows: list[dict[str, Any]]):
    row = by_prompt(rows, "What is a spirit safe?")
    wanted = {
        "account_id": "acct-1",
        "api_key_id": "hash-of-acct-1",
        "organization_id": "org-1",
        "end_user_id": "end-user-9",
        "operation": "chat",
        "model": "gpt-4o-mini",
        "system_prompt": "Answer briefly.",
        "turn": 0,
        "max_tokens": 64,
        "temperature": 0.5,
        "response": "A locked glass case in a distillery.",
        "finish_reason": "stop",
        "refused": False,
        "status": 200,
        "client_ip": "198.51.100.7",
        "stream": False,
        "tools": False,
        "input_tokens": 10,
        "output_tokens": 20,
    }
    assert {name: row.get(name) for name in wanted} == wanted
    assert row["event_id"].startswith("chatcmpl-")
    assert "conversation_id" not in row  # the client named no session


def test_tools_and_turns_by_the_real_litellm(rows: list[dict[str, Any]]):
    row = by_prompt(rows, "Another one.")
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
    assert (row["turn"], row["choice_count"], row["tools"]) == (1, 2, True)
    assert row["tool_schema_hash"] == tool_schema_hash([tool])


def test_a_stream_by_the_real_litellm(rows: list[dict[str, Any]]):
    row = by_prompt(rows, "Count to three.")
    assert (row["stream"], row["response"]) == (True, "One, two, three.")


def test_a_limited_request_by_the_real_litellm(rows: list[dict[str, Any]]):
    row = by_prompt(rows, "Once more.")
    assert (row["status"], row["error_type"]) == (429, "RateLimitError")
    assert "refused" not in row


def test_an_embedding_by_the_real_litellm(rows: list[dict[str, Any]]):
    assert by_prompt(rows, "to be embedded")["operation"] == "embeddings"


def test_the_fields_that_we_read_are_still_litellms(real: tuple[Path, dict[str, list[str]]]):
    assert set(real[1]["StandardLoggingPayload"]) >= litellm_log.TOP_FIELDS
    assert set(real[1]["StandardLoggingMetadata"]) >= litellm_log.METADATA_FIELDS


# --- what the mock does not show --------------------------------------------------------------------------


def payload(**more: Any) -> dict[str, Any]:
    return {
        "id": "c-1",
        "call_type": "acompletion",
        "startTime": 1775044800.25,
        "model_parameters": {},
        "status": "success",
        "messages": [{"role": "user", "content": "Hi"}],
        "response": None,
        "metadata": {"user_api_key_hash": "k"},
        **more,
    }


@pytest.mark.parametrize(
    ("metadata", "account"),
    [
        ({"user_api_key_user_id": "u", "user_api_key_team_id": "t", "user_api_key_hash": "k"}, "u"),
        ({"user_api_key_user_id": "default_user_id", "user_api_key_team_id": "t", "user_api_key_hash": "k"}, "t"),
        ({"user_api_key_user_id": "", "user_api_key_hash": "k"}, "k"),
    ],
)
def test_who_pays(tmp_path: Path, metadata: dict[str, str], account: str):
    table, _, _ = read_all(write_lines(tmp_path / "log", [payload(metadata=metadata)]))
    assert table["account_id"].to_pylist() == [account]


def test_a_session_that_the_client_named_is_a_conversation(tmp_path: Path):
    lines = [payload(session_id="s-1", trace_id="t-1"), payload(id="c-2", session_id="t-2", trace_id="t-2")]
    table, _, _ = read_all(write_lines(tmp_path / "log", lines))
    assert table["conversation_id"].to_pylist() == ["s-1", None]


def test_prompts_that_litellm_was_told_to_withhold_are_missing_not_equal(tmp_path: Path):
    hidden = payload(
        messages=[{"role": "user", "content": "redacted-by-litellm"}], response={"text": "redacted-by-litellm"}
    )
    assert "prompt" not in read_all(write_lines(tmp_path / "log", [hidden]))[0].column_names
