"""Every message that the sandbox builds, against the published MessageDefinitions and the rules for bundles."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from cad_bridge.sandbox.acknowledgement import acknowledgement
from cad_bridge.sandbox.actions import Complete, Outcome, Refuse, Reject, ScriptError
from cad_bridge.sandbox.cases import Case, CaseBook
from cad_bridge.sandbox.definitions import DEFINITIONS, count_problems
from cad_bridge.sandbox.identity import DOS_SERVICE_ID, Json, ServiceIdentity
from cad_bridge.sandbox.message import Message
from cad_bridge.sandbox.referral_responses import refusal, status_response
from cad_bridge.sandbox.validation_requests import cancellation, update_request, with_issued_ids
from cad_bridge.sandbox.validation_responses import final, interim, rejection
from tests.shared_material import SHARED, needs_shared
from tests.unit.sandbox.world import EOC, NOW, a_referral_request, a_validation_request, header_of, of_type

CAS = ServiceIdentity(f"{DOS_SERVICE_ID}|2000000021", "SBCAS", "Sandbox CAS")
LATER = NOW + timedelta(minutes=7)


def _case(request: Json | None = None) -> Case:
    book = CaseBook(CAS, prefix="CAS")
    return book.open(
        Message(request or a_validation_request(CAS.service_id)),
        correlation_id="5b0f5b3e-3c38-4f5e-9a37-0d4d4bd2d3a1",
        now=NOW + timedelta(minutes=1),
    )


def _referral_case(use_case: str = "a6t3") -> Case:
    return _case(a_referral_request(CAS.service_id, use_case=use_case, text="A second crew, please"))


def _interim(case: Case) -> Json:
    case.move_to("in-progress", LATER)
    case.interim_sent = True
    return interim(case, LATER)


def _rejection(case: Case) -> Json:
    case.move_to("cancelled", LATER)
    return rejection(case, Reject("OTH", "No answer"), LATER)


def _final(case: Case, outcome: Outcome, **changed: Any) -> Json:
    case.move_to("finished", LATER)
    return final(case, Complete(outcome, **changed), LATER, cad_id="S1" if outcome is Outcome.UPGRADE else None)


def _fresh_final(outcome: Outcome) -> Json:
    return _final(_case(), outcome)


def _known() -> Json:
    request = a_validation_request(CAS.service_id)
    return with_issued_ids(request, acknowledgement(_case(request), Message(request), NOW))


def _refusal(case: Case) -> Json:
    case.move_to("cancelled", LATER)
    return refusal(case, Refuse(), LATER)


def _messages() -> dict[str, Callable[[], Json]]:
    built: dict[str, Callable[[], Json]] = {
        "validation request": lambda: a_validation_request(CAS.service_id),
        "update": lambda: update_request(_known(), summary="Worse", breach_at=LATER, now=LATER),
        "cancellation": lambda: cancellation(_known(), status="revoked", reason="Called back", now=LATER),
        "interim": lambda: _interim(_case()),
        "rejection": lambda: _rejection(_case()),
        "referral status": lambda: status_response(_referral_case(), LATER),
        "referral refusal": lambda: _refusal(_referral_case()),
    }
    return built | {f"final {outcome}": functools.partial(_fresh_final, outcome) for outcome in Outcome}


MESSAGES = _messages()


def _published_counts(url: str) -> tuple[str, dict[str, tuple[int, int | None]]]:
    """Version and counts of a definition, read from the published tables; `Bundle` itself left out."""
    text = (SHARED / "bars" / "messagedefinitions.md").read_text(encoding="utf-8")
    section = next(part for part in text.split("\n## ") if f"canonical: `{url}`" in part)
    version = re.search(r"\(version ([^,]+),", section)
    assert version is not None
    counts: dict[str, tuple[int, int | None]] = {}
    for name, least, most in re.findall(r"^\| (\w+) \| (\d+)\.\.(\d+|\*) \|", section, re.MULTILINE):
        held = counts.get(name, (0, 0))
        upper = None if most == "*" or held[1] is None else held[1] + int(most)
        counts[name] = (held[0] + int(least), upper)
    del counts["Bundle"]
    return version[1], counts


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize("url", DEFINITIONS)
def test_definitions_are_the_published_ones(url: str) -> None:
    version, counts = _published_counts(url)
    assert DEFINITIONS[url].version == version
    assert dict(DEFINITIONS[url].counts) == counts


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize("name", MESSAGES)
def test_holds_what_its_message_definition_asks_for(name: str) -> None:
    bundle = MESSAGES[name]()
    version, counts = _published_counts(header_of(bundle)["definition"])
    held = Counter(entry["resource"]["resourceType"] for entry in bundle["entry"])
    assert set(held) <= set(counts)
    assert {kind: held[kind] for kind, (least, most) in counts.items() if not least <= held[kind] <= (most or 99)} == {}
    assert bundle["meta"]["versionId"] == version


@pytest.mark.parametrize("name", MESSAGES)
def test_keeps_the_rules_of_bundles(name: str) -> None:
    bundle = MESSAGES[name]()
    urls = [entry["fullUrl"] for entry in bundle["entry"]]
    dangling = [target for target in _references(bundle) if target.startswith("urn:uuid:") and target not in urls]
    assert dangling == []
    assert len(set(urls)) == len(urls)
    assert all(entry["resource"]["meta"]["lastUpdated"] for entry in bundle["entry"])
    assert bundle["entry"][0]["resource"]["resourceType"] == "MessageHeader"
    assert Message(bundle).focus is not None


@pytest.mark.parametrize("name", [name for name in MESSAGES if name.startswith(("interim", "rej", "final", "ref"))])
def test_responses_go_back_to_where_the_request_came_from(name: str) -> None:
    header = header_of(MESSAGES[name]())
    focus = Message(bundle := MESSAGES[name]()).focus
    assert header["destination"][0]["endpoint"] == EOC.service_id
    assert header["source"]["endpoint"] == CAS.service_id
    assert header["response"]["code"] == "ok"
    assert focus is of_type(bundle, "Encounter")[1]


def test_response_names_the_request_and_keeps_its_ids() -> None:
    request = a_validation_request(CAS.service_id)
    case = _case(request)
    response = _interim(case)
    assert header_of(response)["response"]["identifier"] == request["id"]
    assert of_type(response, "ServiceRequest")[0]["id"] == case.service_request_id
    assert (
        of_type(response, "ServiceRequest")[0]["occurrencePeriod"]
        == of_type(request, "ServiceRequest")[0]["occurrencePeriod"]
    )
    assert of_type(response, "Encounter")[0] == of_type(request, "Encounter")[0]
    assert "end" not in of_type(response, "Encounter")[1]["period"]


def test_the_receiving_organisation_is_named_in_responses() -> None:
    response = _interim(_case())
    sender = Message(response).resolve(header_of(response)["sender"]["reference"])
    assert sender is not None
    assert sender["identifier"][0]["value"] == CAS.ods_code


@pytest.mark.parametrize(
    ("outcome", "arp", "status", "moved"),
    [
        (Outcome.SAME, "C3", "active", False),
        (Outcome.DOWNGRADE, "C4", "active", False),
        (Outcome.UPGRADE, "C2", "active", True),
        (Outcome.C1, "C1", "active", True),
        (Outcome.HEAR_AND_TREAT, "C5", "completed", False),
        (Outcome.ONWARD_REFERRAL, "C5", "completed", False),
        (Outcome.PATIENT_LIFTED, "C5", "completed", False),
    ],
)
def test_outcomes_set_category_status_and_clock_start(outcome: Outcome, arp: str, status: str, moved: bool) -> None:
    case = _case()
    care_plan = of_type(_final(case, outcome), "CarePlan")[0]
    original = case.held.one("CarePlan")["period"]["start"]
    assert Message({"entry": [{"resource": care_plan}]}).arp == arp
    assert care_plan["status"] == status
    start = datetime.fromisoformat(care_plan["period"]["start"])
    assert start == (LATER if moved else datetime.fromisoformat(original))


def test_a_plan_may_contradict_itself_on_purpose() -> None:
    contradictory = _final(_case(), Outcome.SAME, care_plan_status="completed", encounter_status="triaged")
    reviewed = _final(_case(), Outcome.SAME, arp="HCP3")
    assert of_type(contradictory, "CarePlan")[0]["status"] == "completed"
    assert Message(contradictory).arp == "C3"
    assert Message(reviewed).arp == "HCP3"


def test_patient_lifted_has_its_code() -> None:
    assert "PATLIFT" in json.dumps(of_type(_final(_case(), Outcome.PATIENT_LIFTED), "CarePlan"))


def test_nothing_above_c1() -> None:
    with pytest.raises(ScriptError):
        _final(_case(a_validation_request(CAS.service_id, arp="C1")), Outcome.UPGRADE)


def test_final_after_an_interim_is_an_update() -> None:
    case = _case()
    alone = _final(_case(), Outcome.SAME)
    _interim(case)
    assert Message(alone).reason == "new"
    assert Message(_final(case, Outcome.SAME)).reason == "update"


def test_only_what_changed_gets_a_new_time() -> None:
    request = a_validation_request(CAS.service_id)
    response = _final(_case(request), Outcome.SAME)
    before = {entry["fullUrl"]: entry["resource"]["meta"]["lastUpdated"] for entry in request["entry"]}
    changed = {
        entry["resource"]["resourceType"]
        for entry in response["entry"]
        if entry["fullUrl"] in before and entry["resource"]["meta"]["lastUpdated"] != before[entry["fullUrl"]]
    }
    assert changed == {"ServiceRequest", "CarePlan", "Organization"}


def test_cancellation_says_why() -> None:
    request = of_type(MESSAGES["cancellation"](), "ServiceRequest")[0]
    assert (request["status"], request["reasonCode"]) == ("revoked", [{"text": "Called back"}])
    assert request["id"]


def test_status_history_grows() -> None:
    case = _referral_case("a6t1")
    case.move_to("planned", LATER)
    case.move_to("in-progress", LATER)
    history = of_type(status_response(case, LATER), "Encounter")[1]["statusHistory"]
    assert [held["status"] for held in history] == ["planned", "in-progress"]


def test_an_update_merges_only_what_is_newer() -> None:
    case = _case(request := a_validation_request(CAS.service_id))
    newer, stale = json.loads(json.dumps(request)), json.loads(json.dumps(request))
    of_type(newer, "Flag")[0] |= {"meta": {"lastUpdated": LATER.isoformat()}, "status": "inactive"}
    of_type(stale, "Patient")[0]["gender"] = "other"
    case.merge(Message(newer))
    case.merge(Message(stale))
    assert case.held.one("Flag")["status"] == "inactive"
    assert case.held.one("Flag")["id"]
    assert case.held.one("Patient")["gender"] == of_type(request, "Patient")[0]["gender"]
    assert len(case.held.entries) == len(request["entry"])


def test_count_problems_name_types() -> None:
    definition = DEFINITIONS["https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request-cancelled"]
    types = ["MessageHeader", "ServiceRequest", "ServiceRequest", "Patient", "Organization", "Slot"]
    problems = count_problems(types, definition)
    assert sorted(problem.split()[0] for problem in problems) == ["Organization", "ServiceRequest", "Slot"]


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize(
    ("folder", "pattern", "build"),
    [
        ("requests", "valreq01*", _interim),
        ("requests", "valreq01*", lambda case: _final(case, Outcome.HEAR_AND_TREAT)),
        ("requests", "valreq01*", lambda case: _final(case, Outcome.UPGRADE)),
        ("requests", "valreq03*", lambda case: _final(case, Outcome.SAME)),
        ("requests", "refreq04*", lambda case: status_response(case, LATER)),
        ("requests", "refreq05*", _refusal),
    ],
)
def test_answers_official_requests_in_form(folder: str, pattern: str, build: Callable[[Case], Json]) -> None:
    path = next((SHARED / "bars" / "examples" / folder).glob(pattern))
    bundle = build(_case(json.loads(path.read_text(encoding="utf-8"))))
    message = Message(bundle)
    assert count_problems(message.types, DEFINITIONS[message.definition]) == []
    urls = {entry["fullUrl"] for entry in bundle["entry"]}
    assert [target for target in _references(bundle) if target.startswith("urn:uuid:") and target not in urls] == []


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
