import functools
import json
from collections.abc import Sequence
from typing import Any

import jsonschema
import msgspec
import ocsf_json_schema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spiritsafe.campaigns.model import Exposure, Group, Run, Technique, Verdict
from spiritsafe.campaigns.ocsf import ClockError, account_finding_uid, findings, to_jsonl
from spiritsafe.campaigns.ocsf_atlas import attack
from tests.campaigns.example_findings import big_campaign, example_groups, example_run, small_campaign
from tests.campaigns.strategies import groups, instants_or_nothing, runs

CAMPAIGNS = groups((Verdict.CAMPAIGN,))


@functools.cache
def validator(class_uid: int) -> Any:
    """The 1.8.0 schema of a class, with the profiles that our objects name."""
    schemas = ocsf_json_schema.OcsfJsonSchemaEmbedded(ocsf_json_schema.get_ocsf_schema("1.8.0"))
    name, profiles = {2005: ("incident_finding", ["incident"]), 2004: ("detection_finding", [])}[class_uid]
    return jsonschema.Draft202012Validator(schemas.get_class_schema(name, profiles))


def written(run: Run, found: Sequence[Group]) -> list[dict[str, Any]]:
    """Findings as a reader of the file gets them."""
    return [json.loads(line) for line in to_jsonl(findings(run, found))]


def complaints(finding: dict[str, Any]) -> list[str]:
    return [
        f"{error.json_path}: {error.message[:200]}" for error in validator(finding["class_uid"]).iter_errors(finding)
    ]


def one_of_each() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    incident, *detections = written(example_run(), [small_campaign()])
    return incident, detections


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(run=runs, found=st.lists(CAMPAIGNS, min_size=1, max_size=2))
def test_whatever_was_found_every_line_validates_against_ocsf_1_8_0(run, found):
    for finding in written(run, found):
        assert complaints(finding) == []
        assert finding["metadata"]["version"] == "1.8.0"


def test_the_example_with_five_thousand_accounts_validates():
    lines = written(example_run(), [big_campaign()])
    assert len(lines) == 5001
    assert [line["class_uid"] for line in lines[:2]] == [2005, 2004]
    assert [complaint for line in [lines[0], *lines[1::50]] for complaint in complaints(line)] == []


def test_the_schema_does_refuse_what_is_wrong():
    incident, detections = one_of_each()
    assert complaints({key: value for key, value in incident.items() if key != "assignee_group"})
    assert complaints(incident | {"severity_id": 42})
    assert complaints(detections[0] | {"made_up": 1})


def test_only_campaigns_become_findings():
    accused = {line["metadata"]["correlation_uid"] for line in written(example_run(), example_groups())}
    assert accused == {group.campaign_id for group in example_groups() if group.verdict is Verdict.CAMPAIGN}


def test_each_account_is_tied_to_its_campaign():
    incident, detections = one_of_each()
    assert len(detections) == 48
    assert {line["metadata"]["correlation_uid"] for line in detections} == {small_campaign().campaign_id}
    assert incident["finding_info_list"][0]["related_events_count"] == 48
    listed = {event["uid"] for event in incident["finding_info_list"][0]["related_events"]}
    assert listed == {line["finding_info"]["uid"] for line in detections}


def test_the_account_id_is_given_exactly_so_that_it_can_be_joined():
    hostile = "acct\u202e<b>\n42"
    member = msgspec.structs.replace(small_campaign().members[0], account_id=hostile)
    _, line = written(example_run(), [msgspec.structs.replace(small_campaign(), members=(member,))])
    assert line["resources"][0]["uid"] == line["evidences"][0]["user"]["uid"] == hostile
    assert line["message"].startswith("Account acct⟨U+202E⟩<b>⟨U+000A⟩42 ")


def test_a_machine_suspects_and_never_says_true_positive():
    incident, detections = one_of_each()
    assert (incident["verdict"], incident["status"]) == ("Suspicious", "New")
    assert incident["status_detail"] == "opened by a scan; awaits review by a person"
    assert all(line["status"] == "New" and "verdict_id" not in line for line in detections)


def test_an_account_that_may_not_belong_alerts_nobody():
    roles: dict[str, set[tuple[bool, str]]] = {}
    for line in written(example_run(), [big_campaign()])[1:]:
        roles.setdefault(line["unmapped"]["role"], set()).add((line["is_alert"], line["severity"]))
    assert roles == {
        "core": {(True, "Medium")},
        "relay": {(True, "Low")},
        "uncertain": {(False, "Informational")},
    }


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(run=runs, group=CAMPAIGNS)
def test_severity_follows_from_verdict_and_role_only(run, group):
    incident, *detections = written(run, [group])
    assert incident["severity_id"] == 4
    for line in detections:
        assert line["severity_id"] == {"core": 3, "relay": 2}.get(line["unmapped"]["role"], 1)


def test_a_probability_that_is_not_calibrated_is_no_confidence():
    sure = msgspec.structs.replace(small_campaign().members[0], probability=1.0)
    tested = msgspec.structs.replace(small_campaign().significance, q_value=0.001)
    group = msgspec.structs.replace(small_campaign(), members=(sure,), significance=tested)
    for line in written(example_run(), [group]):
        assert (line["confidence_id"], line["confidence"]) == (0, "Unknown")
        assert "confidence_score" not in line
        assert "not calibrated" in line["message"]
    assert line["unmapped"]["probability_calibrated"] is False


def test_the_people_who_judge_are_named_in_plain_words():
    assert one_of_each()[0]["assignee_group"] == {"name": "abuse review"}


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(run=runs, group=CAMPAIGNS)
def test_the_same_scan_writes_the_same_bytes(run, group):
    turned = msgspec.structs.replace(group, members=group.members[::-1])
    assert list(to_jsonl(findings(run, [group]))) == list(to_jsonl(findings(run, [turned])))


def test_a_finding_keeps_its_id_in_the_next_scan_and_the_event_gets_a_new_one():
    first, *_ = written(example_run(), [small_campaign()])
    later, *_ = written(example_run(clock_last="2026-07-01T00:00:00Z"), [small_campaign()])
    assert later["finding_info_list"][0]["uid"] == first["finding_info_list"][0]["uid"]
    assert later["metadata"]["uid"] != first["metadata"]["uid"]


def test_accounts_and_campaigns_cannot_be_confused_in_an_id():
    assert account_finding_uid("c 1", "2") != account_finding_uid("c", "1 2")


def test_all_times_are_event_times_in_milliseconds():
    incident, (line, *_) = one_of_each()
    assert incident["time"] == line["finding_info"]["created_time"] == 1_780_703_996_000  # the window's end
    assert (incident["start_time"], incident["end_time"]) == (1_779_163_200_000, 1_780_171_200_000)


@given(first=instants_or_nothing, last=instants_or_nothing)
def test_a_campaign_without_times_takes_those_of_the_run(first, last):
    exposure = msgspec.structs.replace(small_campaign().exposure, first_seen=first, last_seen=last)
    group = msgspec.structs.replace(small_campaign(), exposure=exposure, members=())
    assert complaints(written(example_run(), [group])[0]) == []


def test_a_finding_without_any_time_is_refused_with_a_way_out():
    exposure = msgspec.structs.replace(small_campaign().exposure, first_seen="", last_seen="yesterday")
    group = msgspec.structs.replace(small_campaign(), exposure=exposure)
    with pytest.raises(ClockError, match="ISO 8601") as caught:
        written(example_run(clock_first="", clock_last=""), [group])
    assert "clock_first" in caught.value.hint


def test_numbers_that_are_none_become_valid_json():
    broken = msgspec.structs.replace(
        small_campaign().members[0], probability=float("nan"), bits_content=float("inf"), bits_timing=float("nan")
    )
    for line in written(example_run(), [msgspec.structs.replace(small_campaign(), members=(broken,))]):
        assert complaints(line) == []
        assert "NaN" not in json.dumps(line)


def test_a_line_stays_below_what_collectors_cut():
    lines = list(to_jsonl(findings(example_run(), [big_campaign()])))
    assert max(map(len, lines)) < 256 * 1024
    incident = json.loads(lines[0])
    assert incident["metadata"]["is_truncated"] is True
    assert len(incident["finding_info_list"][0]["related_events"]) == 101


def test_a_sub_technique_names_its_parent_and_tactic():
    assert attack(Technique(id="AML.T0024.002", name="Extract AI Model")) == {
        "version": "5.6.0",
        "tactic": {"uid": "AML.TA0010", "name": "Exfiltration"},
        "technique": {"uid": "AML.T0024", "name": "Exfiltration via AI Inference API"},
        "sub_technique": {"uid": "AML.T0024.002", "name": "Extract AI Model"},
    }


def test_what_was_taken_and_what_to_do_travel_with_the_finding():
    incident, (line, *_) = one_of_each()
    assert incident["unmapped"]["ai_model"] == [{"name": "m-reason-1"}]
    assert set(incident["unmapped"]["exposure"]) == set(Exposure.__struct_fields__)
    assert [trait["type"] for trait in incident["finding_info_list"][0]["traits"]] == ["supported"] * 3
    assert line["remediation"]["desc"].startswith("(1) Watch")
    assert line["resources"][1] == {
        "uid": "m-reason-1", "name": "m-reason-1", "type": "AI model", "role": "Target", "role_id": 1,
    }  # fmt: skip
