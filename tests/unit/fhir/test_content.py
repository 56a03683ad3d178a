"""What the local API accepts and refuses, with the path of the field and never its value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from cad_bridge.fhir.content import Outcome, Request
from cad_bridge.fhir.content_rules import is_nhs_number
from tests.contents import plain_outcome, plain_request
from tests.shared_material import SHARED, needs_shared

BODY = plain_request().model_dump(mode="json")


def refused(model: type[Request] | type[Outcome], body: dict[str, Any]) -> set[tuple[str | int, ...]]:
    """The paths of all errors."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    return {error["loc"] for error in caught.value.errors(include_input=False)}


def changed(**changes: Any) -> dict[str, Any]:
    return BODY | changes


def within(name: str, **changes: Any) -> dict[str, Any]:
    return BODY | {name: BODY[name] | changes}


@needs_shared
@pytest.mark.shared
def test_the_published_contract_is_accepted_to_the_letter() -> None:
    contract = json.loads((SHARED / "contracts" / "validation-request.json").read_text(encoding="utf-8"))

    accepted = Request.model_validate(contract).model_dump(mode="json")

    assert _contained(contract, accepted) == []


def _contained(asked: Any, held: Any, path: str = "") -> list[str]:
    """Paths of `asked` that `held` lacks or says otherwise."""
    if isinstance(asked, dict):
        return [lack for name, value in asked.items() for lack in _contained(value, held.get(name), f"{path}.{name}")]
    if isinstance(asked, list):
        return [
            lack for index, value in enumerate(asked) for lack in _contained(value, held[index], f"{path}[{index}]")
        ]
    return [] if asked == held else [path]


def test_dumped_content_is_accepted_again() -> None:
    assert Request.model_validate_json(plain_request().model_dump_json()) == plain_request()
    assert Outcome.model_validate_json(plain_outcome().model_dump_json()) == plain_outcome()


def test_times_are_kept_in_utc() -> None:
    assert plain_request().breach_at.isoformat() == "2026-11-21T12:40:00+00:00"


@pytest.mark.parametrize("wrong", ["2026-11-21T12:00:00", 1_700_000_000, "yesterday", "0001-01-01T00:00:00Z"])
def test_a_time_has_an_offset_and_lies_in_the_calendar(wrong: object) -> None:
    assert refused(Request, changed(clock_start=wrong)) == {("clock_start",)}


@pytest.mark.parametrize(
    "name", ["use_case", "sender", "case_number", "clock_start", "timings", "incident_location", "practitioner"]
)
def test_what_is_always_needed(name: str) -> None:
    assert refused(Request, {key: value for key, value in BODY.items() if key != name}) == {(name,)}


def test_unknown_fields_are_refused_wherever_they_stand() -> None:
    assert refused(Request, changed(colour="blue")) == {("colour",)}
    assert refused(Request, within("patient", shoe_size=9)) == {("patient", "shoe_size")}


def test_the_receiver_may_be_left_to_the_polygons_for_out_of_area_only() -> None:
    assert refused(Request, changed(receiver=None)) == {("receiver",)}
    assert Request.model_validate(changed(receiver=None, use_case="a6t1")).receiver is None


def test_breach_comes_after_clock_start() -> None:
    assert refused(Request, changed(breach_at=BODY["clock_start"])) == {("breach_at",)}
    assert Request.model_validate(changed(breach_at=None)).breach_at is None, "a service may have a default"
    assert ("breach_at",) in refused(Request, changed(breach_at=None, use_case="a3t1"))


@pytest.mark.req("APP-COM-20", "APP-COM-21")
def test_a_patient_of_whom_nothing_is_known_is_accepted() -> None:
    assert Request.model_validate(changed(patient={})).patient.nhs_number is None


def test_nhs_number_check_digit() -> None:
    assert is_nhs_number("9990000018")
    assert not any(map(is_nhs_number, ["9990000019", "999000001", "99900000180", "999000001X", "٩990000018", ""]))


def test_a_wrong_nhs_number_is_named_but_not_repeated() -> None:
    body = within("patient", nhs_number={"value": "9990000019"})
    with pytest.raises(ValidationError) as caught:
        Request.model_validate(body)

    assert [error["loc"] for error in caught.value.errors()] == [("patient", "nhs_number", "value")]
    assert "9990000019" not in str(caught.value)
    assert "9990000019" not in repr(caught.value.errors(include_input=False))


def test_no_value_of_any_field_stands_in_an_error() -> None:
    with pytest.raises(ValidationError) as caught:
        Request.model_validate(within("patient", gender="SECRET-VALUE", birth_date="SECRET-VALUE"))

    assert "SECRET-VALUE" not in str(caught.value)


@pytest.mark.parametrize("day", ["1951-02-30", "51-02-03", "1951-13", ""])
def test_a_birth_date_is_of_the_calendar(day: str) -> None:
    assert refused(Request, within("patient", birth_date=day)) == {("patient", "birth_date")}


@pytest.mark.parametrize(("code", "accepted"), [("en", True), ("q4", True), ("zh-Hant", True), ("English", False)])
def test_a_language_is_a_code(code: str, accepted: bool) -> None:
    body = within("patient", communication={"language": code})

    if accepted:
        assert Request.model_validate(body).patient.communication
    else:
        assert refused(Request, body) == {("patient", "communication", "language")}


def test_two_estimates_of_one_age_are_refused() -> None:
    assert refused(Request, within("patient", estimated_age_weeks=3)) == {("patient",)}


def contact(rank: int | None = 1, *methods: dict[str, Any]) -> dict[str, Any]:
    return {"rank": rank, "relationship": "self", "telecom": list(methods)}


PHONE = {"rank": 1, "system": "phone", "value": "1"}


@pytest.mark.req("HAZ-H05-02")
@pytest.mark.parametrize(
    ("contacts", "path"),
    [
        pytest.param([], ("contacts",), id="none", marks=pytest.mark.req("APP-COM-01")),
        pytest.param(
            [contact(1, PHONE | {"system": "email"})], ("contacts",), id="no phone", marks=pytest.mark.req("APP-COM-01")
        ),
        pytest.param(
            [contact(1, PHONE), contact(None, PHONE)],
            ("contacts", 1, "rank"),
            id="no contact rank",
            marks=pytest.mark.req("APP-COM-02"),
        ),
        pytest.param([contact(2, PHONE)], ("contacts",), id="none first", marks=pytest.mark.req("APP-COM-03")),
        pytest.param(
            [contact(1, PHONE), contact(1, PHONE)], ("contacts",), id="two first", marks=pytest.mark.req("APP-COM-03")
        ),
        pytest.param(
            [contact(1, PHONE), contact(2)],
            ("contacts", 1, "telecom"),
            id="no method",
            marks=pytest.mark.req("APP-COM-04"),
        ),
        pytest.param(
            [contact(1, PHONE, PHONE | {"rank": None})],
            ("contacts", 0, "telecom", 1, "rank"),
            id="no method rank",
            marks=pytest.mark.req("APP-COM-05"),
        ),
        pytest.param(
            [contact(1, PHONE, PHONE)],
            ("contacts", 0, "telecom"),
            id="two first methods",
            marks=pytest.mark.req("APP-COM-06"),
        ),
        pytest.param([contact(1, PHONE | {"rank": 2})], ("contacts", 0, "telecom"), id="no first method"),
    ],
)
def test_contacts_and_their_methods_are_ranked(contacts: list[dict[str, Any]], path: tuple[str | int, ...]) -> None:
    assert refused(Request, changed(contacts=contacts)) == {path}


def test_cad_to_cad_demands_no_contact_but_ranks_those_there_are() -> None:
    assert Request.model_validate(changed(use_case="a6t1", contacts=[])).contacts == ()
    assert refused(Request, changed(use_case="a6t1", contacts=[contact(2, PHONE)])) == {("contacts",)}


@pytest.mark.parametrize(
    ("location", "paths"),
    [
        pytest.param({"name": "Test House"}, {()}, id="name only", marks=pytest.mark.req("APP-COM-10")),
        pytest.param({"easting": 400000, "uprn": "1"}, {("northing",)}, id="half a grid reference"),
        pytest.param({"latitude": 53.0, "uprn": "1"}, {("longitude",)}, id="half a position"),
        pytest.param(
            {"latitude": -1.5, "longitude": 53.8}, {("latitude",)}, id="exchanged", marks=pytest.mark.req("APP-COM-15")
        ),
        pytest.param({"latitude": 40.7, "longitude": -74.0}, {("latitude",)}, id="abroad"),
        pytest.param({"uprn": "1", "altitude": 3.0}, {("altitude",)}, id="altitude of nowhere"),
        pytest.param({"uprn": "1", "type": "rendezvous"}, {("type",)}, id="not the incident"),
    ],
)
def test_a_location_that_cannot_be_used_is_refused(location: dict[str, Any], paths: set[tuple[str, ...]]) -> None:
    body = changed(incident_location=location, timings={"call_connect": "2026-11-21T11:56:12Z"})

    assert refused(Request, body) == {("incident_location", *path) for path in paths}


@pytest.mark.req("APP-COM-10", "APP-COM-11")
@pytest.mark.parametrize(
    "place",
    [
        {"latitude": 60.8, "longitude": -0.9},
        {"easting": 430160, "northing": 433562},
        {"what3words": "a.b.c"},
        {"uprn": "1"},
        {"paf_key": "1"},
        {"postcode": "ZZ99 3VZ", "lines": ["1 Test Street"]},
    ],
)
def test_one_way_to_place_a_location_is_enough(place: dict[str, Any]) -> None:
    body = changed(incident_location=place, timings={"call_connect": "2026-11-21T11:56:12Z"})

    assert Request.model_validate(body).incident_location.can_be_placed


@pytest.mark.parametrize("lacking", ["system", "arp", "summary"])
@pytest.mark.req("APP-COM-40")
def test_validation_needs_the_whole_triage(lacking: str) -> None:
    assert refused(Request, within("triage", **{lacking: None})) == {("triage", lacking)}


@pytest.mark.req("APP-COM-40")
def test_triage_codes_are_those_of_one_system() -> None:
    pathways = BODY["triage"]["pathways"]

    assert refused(Request, within("triage", pathways=pathways | {"sd": None})) == {("triage",)}
    assert Request.model_validate(within("triage", pathways=None, ampds={"code": "10A01"})).triage.ampds


@pytest.mark.req("APP-COM-41")
def test_only_approved_decision_support_is_sent() -> None:
    homemade = within("triage", system={"name": "Spreadsheet", "version": "1"})

    assert refused(Request, homemade) == {("triage", "system", "name")}


def test_an_arp_category_is_of_the_list() -> None:
    assert refused(Request, within("triage", arp="C9")) == {("triage", "arp")}


@pytest.mark.req("APP3-REF-01")
def test_a_category_5_referral_is_for_c5() -> None:
    assert refused(Request, changed(use_case="a3t1")) == {("triage", "arp")}
    assert Request.model_validate(within("triage", arp="C5") | {"use_case": "a3t1"}).use_case == "a3t1"


@pytest.mark.req("APP6-REF-09")
def test_a_cad_to_cad_referral_can_go_before_triage() -> None:
    body = changed(use_case="a6t1", triage={"pre_triage_sieve": {"breathing": False}}, contacts=[])

    assert Request.model_validate(body).triage.arp is None


@pytest.mark.req("APP6-REF-05")
def test_call_assist_and_mutual_aid_say_what_they_ask_for() -> None:
    assert refused(Request, changed(use_case="a6t2", requested_action=None)) == {("requested_action",)}
    assert refused(Request, changed(use_case="a6t3", requested_action=None)) == {("requested_action",)}


@pytest.mark.req("APP6-SS-02")
@pytest.mark.req("HAZ-H09-05")
def test_cad_to_cad_says_why_a_scene_is_unsafe() -> None:
    body = changed(use_case="a6t1", scene_safety={"status": "unsafe"})

    assert refused(Request, body) == {("scene_safety", "reasons")}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"call_log": [{"at": "2026-11-21T12:00:00Z", "text": "x"}]}, ("call_log",)),
        ({"crew_notes": [{"at": "2026-11-21T12:00:00Z", "text": "x"}]}, ("crew_notes",)),
        ({"resource_requested": {"text": "x"}}, ("resource_requested",)),
    ],
)
def test_what_a_validation_cannot_carry_is_refused_rather_than_lost(
    changes: dict[str, Any], path: tuple[str, ...]
) -> None:
    assert refused(Request, changed(**changes)) == {path}


@pytest.mark.req("APP6-QST-06")
def test_of_a_patient_who_is_not_breathing_nothing_more_is_asked() -> None:
    body = within("triage", pre_triage_sieve={"breathing": False, "conscious": True}) | {"use_case": "a6t1"}

    assert refused(Request, body) == {("triage", "pre_triage_sieve")}


@pytest.mark.parametrize(
    ("flag", "path"),
    [
        pytest.param({"category": "SS"}, ("category",), id="scene safety has its own field"),
        pytest.param({"category": "ZZ"}, ("category",), id="unknown category"),
        pytest.param(
            {"category": "SG", "code": {"code": "wheelchairaccess"}},
            ("code",),
            id="code of another category",
            marks=pytest.mark.req("APP-COM-32"),
        ),
        pytest.param({"category": "RA", "code": {"code": "new"}}, ("code", "display"), id="unlisted, no words"),
        pytest.param({"category": "RT", "code": {"code": "1"}}, ("code_system",), id="no list, no system"),
        pytest.param(
            {"category": "RA", "code": {"code": "wheelchairaccess"}, "code_system": "https://example.org"},
            ("code_system",),
            id="listed, other system",
        ),
    ],
)
def test_a_flag_has_category_and_code_that_belong_together(flag: dict[str, Any], path: tuple[str, ...]) -> None:
    assert refused(Request, changed(flags=[flag])) == {("flags", 0, *path)}


def test_a_listed_flag_code_gets_its_display() -> None:
    flag = Request.model_validate(changed(flags=[{"category": "RA", "code": {"code": "doeslipread"}}])).flags[0]

    assert flag.code
    assert flag.code.display == "Does lip read"


def test_reasons_are_one_line_each() -> None:
    safety = Request.model_validate(changed(scene_safety={"status": "unsafe", "reasons": ["one\ntwo", "three"]}))

    assert safety.scene_safety.reasons == ("one", "two", "three")


@pytest.mark.req("APP4-VR-07", "APP-COM-31")
def test_scene_safety_that_was_not_asked_is_unknown() -> None:
    body = {name: value for name, value in BODY.items() if name != "scene_safety"}

    assert Request.model_validate(body).scene_safety.status == "unknown"


@pytest.mark.parametrize(("arp", "dispatch"), [("C3", False), ("HCP2", False), ("C4T", False), ("C5", True)])
def test_an_outcome_does_not_contradict_itself(arp: str, dispatch: bool) -> None:
    body = plain_outcome().model_dump(mode="json") | {"arp": arp, "dispatch_required": dispatch}

    assert refused(Outcome, body) == {("arp",)}


@pytest.mark.req("APP4-VS-17")
def test_an_outcome_has_an_arp_category() -> None:
    body = plain_outcome().model_dump(mode="json")

    assert refused(Outcome, body | {"arp": None}) == {("arp",)}
    assert refused(Outcome, body | {"arp": "C9"}) >= {("arp",)}


def test_an_outcome_refuses_what_a_request_refuses() -> None:
    body = plain_outcome().model_dump(mode="json") | {
        "flags": [{"category": "SS"}],
        "incident_location": {"name": "Test House"},
        "practitioner": {},
    }

    assert refused(Outcome, body) == {
        ("flags", 0, "category"),
        ("incident_location",),
        ("practitioner", "sds_role_profile_id"),
    }
