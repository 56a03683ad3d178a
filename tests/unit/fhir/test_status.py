"""Status responses between ambulance services: what is sent, what cannot be, and what is read of others'."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from fhir.resources.R4B.bundle import Bundle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cad_bridge.fhir.build_acknowledgement import acknowledgement_bundle
from cad_bridge.fhir.build_referral import referral_bundle
from cad_bridge.fhir.build_request import request_bundle
from cad_bridge.fhir.build_status import status_bundle
from cad_bridge.fhir.check import check_message
from cad_bridge.fhir.content import RejectionReason, ReportedStatus, Request, StatusReport
from cad_bridge.fhir.content_clinical import Practitioner
from cad_bridge.fhir.encounters import OwnEncounters
from cad_bridge.fhir.envelope import OwnEncounter, StatusChange
from cad_bridge.fhir.facts import read_facts
from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.read_response import read_acknowledgement
from cad_bridge.fhir.read_status import read_status
from cad_bridge.fhir.structure import check_structure
from cad_bridge.protocol.decision import decide_row
from cad_bridge.protocol.definitions import RESPONSE_SHORT, check_definition
from tests.contents import LATER, NOON, Json, by_url, envelope, only, own_encounter, plain_request, resources, target
from tests.referral_contents import CAD_TO_CAD, category_5, early, issued_ids, mutual_aid, referrals
from tests.strategies import tokens

DISPATCHER = Practitioner(sds_role_profile_id="T9999", role="Dispatcher")
NOT_IN_TIME = RejectionReason(code="RRNA", text="Nobody within the hour")
PLANNED = ("planned",)
ROWS = {"planned": "DT-15", "in-progress": "DT-16", "finished": "DT-17"}


def encounter(*statuses: str) -> OwnEncounter:
    """The receiver's Encounter, with a minute between one status and the next."""
    history = tuple(
        StatusChange(status=status, since=NOON + timedelta(minutes=minute)) for minute, status in enumerate(statuses, 1)
    )
    return replace(own_encounter(status=statuses[-1]), history=history)


def sent(
    *statuses: str, content: Request | None = None, reason: RejectionReason | None = None, **changes: Any
) -> bytes:
    request = referral_bundle(content or mutual_aid(), envelope())
    options: dict[str, Any] = {
        "issued_ids": issued_ids(orjson.loads(request)),
        "encounter": encounter(*statuses),
        "envelope": envelope(from_requester=False, bundle=2, message=2, at=LATER),
        "practitioner": DISPATCHER,
        "reason": reason,
    }
    return status_bundle(request, **options | changes)


def built(*statuses: str, **options: Any) -> Json:
    message: Json = orjson.loads(sent(*statuses, **options))
    return message


def own_of(bundle: Json) -> Json:
    return by_url(bundle)[own_encounter().full_url]


def told(issues: list[Issue]) -> set[str]:
    return {issue.rule for issue in issues}


# --- sent ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("use_case", CAD_TO_CAD)
@pytest.mark.parametrize("status", ["planned", "in-progress", "finished"])
@pytest.mark.req("APP6-RSP-01", "APP6-RSP-02", "APP6-RSP-03")
def test_every_status_of_every_use_case_conforms_and_is_what_it_says(use_case: str, status: str) -> None:
    content = mutual_aid(use_case=use_case, resource_requested=None)
    raw = sent(*dict.fromkeys(("planned", status)), content=content)
    structure = check_structure(raw)
    assert structure.bundle is not None
    facts = read_facts(structure.bundle)

    assert structure.issues == ()
    assert decide_row(facts, strict=True).row.id == ROWS[status]
    assert check_definition(facts, strict=True) == []
    assert check_message(structure.bundle, facts, strict=True) == []
    Bundle.model_validate_json(raw)


@pytest.mark.req("APP6-RSP-03", "APP6-RSP-04", "APP6-RSP-05")
def test_a_status_answers_the_request_from_the_own_encounter() -> None:
    bundle = built("planned", "in-progress")
    header = only(bundle, "MessageHeader")

    assert header["definition"] == RESPONSE_SHORT
    assert header["definition"].endswith("/bars-message-servicerequest-response-referral-short")
    assert header["eventCoding"]["code"] == "servicerequest-response"
    assert header["reason"]["coding"][0]["code"] == "new"
    assert header["response"] == {"identifier": envelope().bundle_id, "code": "ok"}
    assert target(bundle, header["focus"][0]) == own_of(bundle)
    assert only(bundle, "ServiceRequest")["status"] == "active"


@pytest.mark.req("CORE-MH-17")
def test_after_an_update_the_first_message_is_answered() -> None:
    bundle = built("planned", original_bundle_id="9f4e6c1a-0000-4000-8000-000000000001")

    assert only(bundle, "MessageHeader")["response"]["identifier"] == "9f4e6c1a-0000-4000-8000-000000000001"


@pytest.mark.req("APP6-RSP-07")
def test_both_encounters_are_there_each_as_its_owner_has_it() -> None:
    request = orjson.loads(referral_bundle(mutual_aid(), envelope()))
    bundle = built("planned", "in-progress")
    theirs = next(one for one in resources(bundle, "Encounter") if one != own_of(bundle))

    assert len(resources(bundle, "Encounter")) == 2
    assert theirs["status"] == "triaged"
    assert theirs["statusHistory"] == only(request, "Encounter")["statusHistory"]
    assert theirs["meta"] == only(request, "Encounter")["meta"]
    assert own_of(bundle)["identifier"][0]["value"] == "CAS-0007"
    assert own_of(bundle)["class"]["code"] == "EMER"


@pytest.mark.req("APP6-RSP-08")
def test_the_history_grows_by_one_with_every_change() -> None:
    stood_down = own_of(built("planned", "in-progress", "planned"))["statusHistory"]
    gone = own_of(built("planned", "in-progress", "planned", "in-progress", "finished"))["statusHistory"]
    minutes = [f"2026-11-21T12:0{minute}:00+00:00" for minute in range(1, 6)]

    assert [(one["status"], one["period"]) for one in stood_down] == [
        ("planned", {"start": minutes[0], "end": minutes[1]}),
        ("in-progress", {"start": minutes[1], "end": minutes[2]}),
        ("planned", {"start": minutes[2]}),
    ]
    assert [one["period"]["start"] for one in gone] == minutes


def test_a_period_that_clocks_turned_round_has_no_end() -> None:
    wrong = replace(
        encounter("planned"),
        status="in-progress",
        history=(StatusChange(status="planned", since=LATER), StatusChange(status="in-progress", since=NOON)),
    )
    raw = sent("planned", encounter=wrong)

    assert own_of(orjson.loads(raw))["statusHistory"][0]["period"] == {"start": "2026-11-21T12:10:00+00:00"}
    assert check_structure(raw).issues == ()


@pytest.mark.parametrize(("statuses", "ended"), [(("planned",), False), (("planned", "finished"), True)])
def test_the_encounter_ends_when_the_resource_has_cleared(statuses: tuple[str, ...], ended: bool) -> None:
    period = own_of(built(*statuses))["period"]

    assert period == {"start": "2026-11-21T12:01:00+00:00"} | ({"end": "2026-11-21T12:02:00+00:00"} if ended else {})


@pytest.mark.req("CORE-BND-04")
def test_what_the_receiver_repeats_is_not_newer() -> None:
    request = by_url(orjson.loads(referral_bundle(mutual_aid(), envelope())))
    bundle = built("planned")
    repeated = {url: resource for url, resource in by_url(bundle).items() if url in request}

    assert {one["resourceType"] for one in repeated.values()} >= {"ServiceRequest", "Patient", "Encounter"}
    assert all(one["meta"] == request[url]["meta"] for url, one in repeated.items())


def test_only_organisations_that_something_names_are_repeated() -> None:
    practitioner = {"sds_role_profile_id": "T1", "organisation": {"ods_code": "Z9", "name": "Agency"}}
    bundle = built("planned", content=mutual_aid(practitioner=practitioner))

    assert "Agency" not in {one["name"] for one in resources(bundle, "Organization")}
    assert len(resources(bundle, "Organization")) == 3


@pytest.mark.req("APP6-RSP-09", "APP6-RSP-10")
@pytest.mark.parametrize(("use_case", "row"), [("a6t2", "DT-18"), ("a6t3", "DT-19")])
@pytest.mark.parametrize(
    ("reason", "display"),
    [
        (NOT_IN_TIME, "Requested resource not available within timescale"),
        (RejectionReason(code="RRNA"), "Requested resource not available within timescale"),
        (RejectionReason(code="OTH", text="No crew"), "Other"),
    ],
)
def test_call_assist_and_mutual_aid_are_refused_with_a_reason(
    use_case: str, row: str, reason: RejectionReason, display: str
) -> None:
    content = mutual_aid(use_case=use_case, resource_requested=None)
    raw = sent("planned", "cancelled", content=content, reason=reason)
    structure = check_structure(raw)
    assert structure.bundle is not None
    facts = read_facts(structure.bundle)
    (why,) = own_of(structure.bundle)["reasonCode"]

    assert why["coding"] == [
        {"system": "https://fhir.nhs.uk/CodeSystem/rejected-reasons-bars", "code": reason.code, "display": display}
    ]
    assert why.get("text") == reason.text
    assert structure.issues == ()
    assert decide_row(facts, strict=True).row.id == row
    assert check_message(structure.bundle, facts, strict=True) == []


@pytest.mark.req("APP6-RSP-09", "APP6-RSP-10")
@pytest.mark.parametrize(
    ("statuses", "options", "why"),
    [
        (("planned", "cancelled"), {"content": early(), "reason": NOT_IN_TIME}, "out of area"),
        (("planned", "cancelled"), {}, "has a reason"),
        (("planned",), {"reason": NOT_IN_TIME}, "has a reason"),
        (("planned", "cancelled"), {"reason": RejectionReason(code="OTH")}, "in words"),
        (("planned", "cancelled"), {"reason": RejectionReason(code="FC", text="x")}, "published list"),
        (("planned", "cancelled"), {"reason": RejectionReason(text="x")}, "published list"),
        (("planned", "arrived"), {}, "no such status"),
        (("planned",), {"content": category_5()}, "no referral between"),
    ],
)
def test_what_bars_does_not_know_is_not_sent(statuses: tuple[str, ...], options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        sent(*statuses, **options)


@pytest.mark.req("APP6-RSP-08")
@pytest.mark.parametrize("history", [(), (StatusChange(status="planned", since=NOON),)])
def test_a_status_without_its_time_is_not_sent(history: tuple[StatusChange, ...]) -> None:
    with pytest.raises(ValueError, match="history"):
        sent("in-progress", encounter=replace(encounter("in-progress"), history=history))


def test_a_status_is_about_a_referral() -> None:
    with pytest.raises(ValueError, match="no referral"):
        status_bundle(
            request_bundle(plain_request(), envelope()),
            issued_ids={},
            encounter=encounter("planned"),
            envelope=envelope(from_requester=False, bundle=2),
            practitioner=DISPATCHER,
        )


def test_the_acknowledgement_holds_the_history_too() -> None:
    request = referral_bundle(early(), envelope())
    answer = orjson.loads(acknowledgement_bundle(request, issued_ids={}, encounter=encounter("planned")))

    assert own_of(answer)["statusHistory"] == [{"status": "planned", "period": {"start": "2026-11-21T12:01:00+00:00"}}]
    assert read_acknowledgement(answer).remote_case_number == "CAS-0007"


def test_a_request_that_does_not_name_its_encounter_is_answered_with_both() -> None:
    request = orjson.loads(referral_bundle(mutual_aid(), envelope()))
    del only(request, "ServiceRequest")["encounter"]
    raw = status_bundle(
        orjson.dumps(request),
        issued_ids={},
        encounter=encounter("planned"),
        envelope=envelope(from_requester=False, bundle=2, message=2),
        practitioner=DISPATCHER,
    )

    assert len(resources(orjson.loads(raw), "Encounter")) == 2


# --- sent and read ---------------------------------------------------------------------------------------------------
BETWEEN_SERVICES = st.sampled_from(CAD_TO_CAD).flatmap(lambda use_case: referrals(use_case=use_case))
REASONS = st.one_of(
    st.just(NOT_IN_TIME), st.just(RejectionReason(code="RRNA")), st.just(RejectionReason(code="OTH", text="No crew"))
)


@pytest.mark.req("APP6-RSP-12", "APP6-RSP-13")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_a_status_survives_the_message(data: st.DataObject) -> None:
    content = data.draw(BETWEEN_SERVICES)
    before = data.draw(st.lists(st.sampled_from(["planned", "in-progress"]), max_size=3))
    possible = ["planned", "in-progress", "finished", *(["cancelled"] if content.use_case != "a6t1" else [])]
    status = data.draw(st.sampled_from(possible))
    reason = data.draw(REASONS) if status == "cancelled" else None
    number = data.draw(tokens)
    mine = replace(encounter("planned", *before, status), case_number=number)

    report, issues = read_status(orjson.loads(sent(status, content=content, reason=reason, encounter=mine)))

    assert issues == []
    assert report.status == status
    assert report.history == tuple(ReportedStatus(status=one.status, since=one.since) for one in mine.history)
    assert report.since == mine.history[-1].since
    assert (report.case_number, report.encounter_id) == (number, mine.id)
    assert report.encounter_full_url == mine.full_url
    assert report.reason == reason
    assert report.practitioner == DISPATCHER
    assert report.last_updated == LATER
    assert report.request.case_number == content.case_number
    assert report.other_resources == ()
    assert [one.expression for one in report.also_sent if ".source." not in one.expression] == []


# --- read of others --------------------------------------------------------------------------------------------------
@pytest.fixture
def bundle() -> Json:
    return copy.deepcopy(built("planned", "in-progress", reason=None))


def senders_url(bundle: Json) -> str:
    return next(url for url, one in by_url(bundle).items() if one.get("status") == "triaged")


def looked_at(bundle: Json, **own: Any) -> tuple[StatusReport, list[Issue]]:
    return read_status(bundle, OwnEncounters(**{name: frozenset({value}) for name, value in own.items()}))


@pytest.mark.req("APP6-RSP-06")
def test_the_receivers_encounter_is_known_by_ownership_where_the_focus_is_the_request(bundle: Json) -> None:
    header, request = only(bundle, "MessageHeader"), only(bundle, "ServiceRequest")
    header["focus"] = [{"reference": next(url for url, one in by_url(bundle).items() if one == request)}]
    del request["encounter"]
    theirs = by_url(bundle)[senders_url(bundle)]
    number = (theirs["identifier"][0]["system"], theirs["identifier"][0]["value"])

    for own in ({"full_urls": senders_url(bundle)}, {"ids": theirs["id"]}, {"identifiers": number}):
        report, issues = looked_at(bundle, **own)
        assert (report.status, report.case_number) == ("in-progress", "CAS-0007")
        assert report.request.case_number == "NAS-0042"
        assert issues == []
    unknown, issues = read_status(bundle)
    assert unknown.status is None
    assert told(issues) == {"APP6-RSP-06"}
    assert "CAS-0007" in {one.value for one in unknown.also_sent}


@pytest.mark.req("APP6-TIM-07")
def test_call_times_of_the_senders_encounter_are_no_history_of_the_case(bundle: Json) -> None:
    report, _ = read_status(bundle)

    assert [one.status for one in report.history] == ["planned", "in-progress"]
    assert report.request.timings.call_connect == mutual_aid().timings.call_connect
    assert report.request.sender_encounter_status == "triaged"


def test_the_senders_encounter_is_the_other_one_in_whatever_order_they_come(bundle: Json) -> None:
    bundle["entry"].sort(key=lambda entry: entry["fullUrl"] != own_encounter().full_url)
    del only(bundle, "ServiceRequest")["encounter"]
    report, _ = read_status(bundle)

    assert (report.case_number, report.request.case_number) == ("CAS-0007", "NAS-0042")
    assert report.request.sender_encounter_status == "triaged"


@pytest.mark.req("APP6-RSP-16")
def test_the_time_of_a_status_is_that_of_its_last_beginning(bundle: Json) -> None:
    assert read_status(built("planned", "in-progress", "planned"))[0].since == NOON + timedelta(minutes=3)

    again = {"status": "in-progress", "period": {"start": "2026-11-21T13:30:00+01:00"}}
    own_of(bundle)["statusHistory"].insert(0, again)
    own_of(bundle)["meta"]["lastUpdated"] = "2026-11-21T12:31:00.1234567+00:00"
    report, _ = read_status(bundle)

    assert report.since == NOON + timedelta(minutes=30)
    assert report.last_updated == NOON + timedelta(minutes=31, microseconds=123456)


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"statusHistory": None}, {"APP6-RSP-08"}),
        ({"statusHistory": [{"status": "planned", "period": {"start": "2026-11-21T12:01:00Z"}}]}, {"APP6-RSP-08"}),
        ({"statusHistory": [{"status": "in-progress"}]}, {"APP6-RSP-08"}),
        ({"status": "onleave"}, {"APP6-RSP-02", "APP6-RSP-08"}),
        ({"status": None}, {"APP6-RSP-02", "APP6-RSP-08"}),
        ({"status": "cancelled"}, {"APP6-RSP-08", "APP6-RSP-10"}),
    ],
)
def test_what_is_wrong_with_a_status_is_said(bundle: Json, change: Json, rules: set[str]) -> None:
    own = own_of(bundle)
    for name, value in change.items():
        own.pop(name)
        own |= {name: value} if value is not None else {}
    report, issues = read_status(bundle)

    assert told(issues) == rules
    assert not any(issue.is_error for issue in issues)
    assert report.status == own.get("status")


@pytest.mark.req("APP6-RSP-10")
@pytest.mark.parametrize(
    ("reason", "read", "rules"),
    [
        ({"coding": [{"code": "RRNA"}]}, RejectionReason(code="RRNA"), set()),
        ({"coding": [{"code": "OTH"}]}, RejectionReason(code="OTH"), {"APP6-RSP-10"}),
        ({"coding": [{"code": "OTH"}], "text": "No crew"}, RejectionReason(code="OTH", text="No crew"), set()),
        ({"text": "No crew"}, RejectionReason(text="No crew"), {"APP6-RSP-10"}),
        (
            {"coding": [{"code": "FC", "display": "Failed to reach"}]},
            RejectionReason(code="FC", display="Failed to reach"),
            set(),
        ),
    ],
)
def test_a_refusal_is_read_with_its_reason_whatever_it_lacks(
    reason: Json, read: RejectionReason, rules: set[str]
) -> None:
    bundle = built("planned", "cancelled", reason=NOT_IN_TIME)
    own_of(bundle)["reasonCode"] = [reason]
    report, issues = read_status(bundle)

    assert report.reason == read
    assert told(issues) == rules


@pytest.mark.req("APP6-RSP-11")
def test_a_refusal_of_an_out_of_area_referral_is_called_wrong() -> None:
    bundle = built("planned", "cancelled", reason=NOT_IN_TIME)
    only(bundle, "ServiceRequest")["category"][0]["coding"][1]["code"] = "A6T1"
    report, issues = read_status(bundle)

    assert told(issues) == {"APP6-RSP-11"}
    assert report.reason is not None
    assert decide_row(read_facts(bundle)).row.id == "DT-20"


def test_a_reason_goes_with_a_refusal_only(bundle: Json) -> None:
    own_of(bundle)["reasonCode"] = [{"text": "Chest pain"}]
    report, _ = read_status(bundle)

    assert report.reason is None
    assert "Chest pain" in {one.value for one in report.also_sent}


@pytest.mark.req("APP6-RSP-15")
def test_a_status_that_calls_itself_an_update_is_read_the_same(bundle: Json) -> None:
    only(bundle, "MessageHeader")["reason"]["coding"][0]["code"] = "update"
    report, issues = read_status(bundle)

    assert (report.status, issues) == ("in-progress", [])
    assert decide_row(read_facts(bundle)).row.id == "DT-16"


def test_of_several_practitioners_none_is_guessed(bundle: Json) -> None:
    role = copy.deepcopy(only(bundle, "PractitionerRole"))
    bundle["entry"].append({"fullUrl": "urn:uuid:another", "resource": role})

    assert read_status(bundle)[0].practitioner is None


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("urn:uuid:x")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
TYPES = ("MessageHeader", "ServiceRequest", "Encounter", "Patient", "Organization", "PractitionerRole", "Flag")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.builds(
            lambda kind, body, url: {"fullUrl": url, "resource": body | {"resourceType": kind}},
            st.sampled_from(TYPES),
            st.dictionaries(
                st.sampled_from(
                    ["status", "statusHistory", "identifier", "reasonCode", "focus", "encounter", "period"]
                ),
                json_values,
            ),
            st.sampled_from(["urn:uuid:x", "urn:uuid:y", None]),
        ),
        max_size=6,
    )
)
def test_reading_never_raises(entries: list[Json]) -> None:
    report, issues = read_status({"resourceType": "Bundle", "entry": entries}, OwnEncounters())

    assert isinstance(report, StatusReport)
    assert all(isinstance(issue, Issue) for issue in issues)
