"""What a CAD to CAD referral must say, and what it cannot: each refusal names the field."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cad_bridge.fhir.content import Request
from cad_bridge.fhir.questionnaires import NATURE_OF_CALL_DISPLAYS
from tests.referral_contents import category_5, early, mutual_aid, triage

LINE = {"at": "2026-11-21T12:00:00Z", "text": "x"}


def refused(make: Any, **changes: Any) -> set[tuple[Any, ...]]:
    """The places at which the content is refused."""
    with pytest.raises(ValidationError) as caught:
        make(**changes)
    return {error["loc"] for error in caught.value.errors()}


@pytest.mark.req("APP6-QST-02")
def test_a_local_nature_of_call_is_refused() -> None:
    assert refused(early, triage={"nature_of_call": {"code": "LOC1", "display": "Local"}}) == {
        ("triage", "nature_of_call", "code")
    }


@pytest.mark.parametrize("code", NATURE_OF_CALL_DISPLAYS)
@pytest.mark.req("APP6-QST-02")
def test_every_national_nature_of_call_is_taken_with_its_own_words(code: str) -> None:
    call = early(triage={"nature_of_call": {"code": code}}).triage.nature_of_call

    assert call is not None
    assert call.display == NATURE_OF_CALL_DISPLAYS[code]


def test_other_words_for_a_national_code_are_refused() -> None:
    assert refused(early, triage={"nature_of_call": {"code": "CHOM", "display": "Coughing"}}) == {
        ("triage", "nature_of_call", "display")
    }


@pytest.mark.req("APP6-QST-06")
@pytest.mark.parametrize(
    ("sieve", "path"),
    [
        ({"breathing": False, "conscious": False}, ()),
        ({"breathing": False, "noisy_breathing": True}, ()),
        ({"conscious": True}, ("breathing",)),
    ],
)
def test_the_sieve_is_asked_in_order(sieve: dict[str, bool], path: tuple[str, ...]) -> None:
    assert refused(early, triage={"pre_triage_sieve": sieve}) == {("triage", "pre_triage_sieve", *path)}


@pytest.mark.parametrize("name", ["call_log", "crew_notes"])
@pytest.mark.parametrize(
    ("entry", "field"), [({"text": "x"}, "at"), ({**LINE, "topic": "Crew Note or Call Log Entry"}, "topic")]
)
def test_a_log_entry_says_when_and_no_other_topic(name: str, entry: dict[str, str], field: str) -> None:
    assert refused(mutual_aid, **{name: [LINE, entry]}) == {(name, 1, field)}


@pytest.mark.req("APP6-REF-05", "HAZ-H03-05")
@pytest.mark.parametrize("use_case", ["a6t2", "a6t3"])
def test_call_assist_and_mutual_aid_say_what_is_asked(use_case: str) -> None:
    assert refused(mutual_aid, use_case=use_case, requested_action=None) == {("requested_action",)}


def test_an_out_of_area_referral_needs_no_words_and_asks_for_no_resource() -> None:
    assert early(requested_action=None).requested_action is None
    assert refused(early, resource_requested={"text": "Paramedic"}) == {("resource_requested",)}


@pytest.mark.parametrize(
    "resource",
    [
        {"text": "Paramedic", "number": 0},
        {"text": "Paramedic", "number": 100},
        {"text": "Paramedic", "not_before": "2026-11-21T12:30:00Z", "by": "2026-11-21T12:00:00Z"},
        {"number": 1},
    ],
)
def test_a_resource_request_makes_sense(resource: dict[str, Any]) -> None:
    assert all(path[0] == "resource_requested" for path in refused(mutual_aid, resource_requested=resource))


@pytest.mark.req("APP6-REF-15")
def test_a_clinicians_triage_without_a_system_says_what_is_to_be_done() -> None:
    clinician = {"sds_role_profile_id": "T9", "clinician": True}
    alone = {"practitioner": clinician, "triage": {"arp": "C2", "summary": "Septic"}}

    assert refused(early, **alone) == {("actions",)}
    assert early(**alone, actions=[{"text": "Convey"}]).actions[0].text == "Convey"
    assert refused(early, actions=[{"text": "Convey"}]) == {("actions",)}
    assert refused(mutual_aid, practitioner=clinician, actions=[{"text": "Convey"}]) == {("actions",)}


def test_a_category_found_at_the_sieve_by_a_clinician_is_not_held_back_for_an_action() -> None:
    clinician = {"sds_role_profile_id": "T9", "clinician": True}

    assert early(practitioner=clinician, triage={"arp": "C1", "pre_triage_sieve": {"breathing": False}}).actions == ()


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"call_log": [LINE]}, ("call_log",)),
        ({"crew_notes": [LINE]}, ("crew_notes",)),
        ({"resource_requested": {"text": "x"}}, ("resource_requested",)),
        ({"actions": [{"text": "x"}]}, ("actions",)),
        ({"triage": triage(arp="C5", nature_of_call={"code": "CHOM"})}, ("triage", "nature_of_call")),
        ({"triage": triage(arp="C5", pre_triage_sieve={"breathing": True})}, ("triage", "pre_triage_sieve")),
    ],
)
def test_a_category_5_referral_has_no_place_for_what_ambulance_services_tell_each_other(
    changes: dict[str, Any], path: tuple[str, ...]
) -> None:
    assert refused(category_5, **changes) == {path}


@pytest.mark.req("APP6-TIM-05")
def test_without_a_clock_start_nothing_is_sent() -> None:
    body = early().model_dump(mode="json", exclude_none=True)
    del body["clock_start"]

    with pytest.raises(ValidationError) as caught:
        Request.model_validate(body)
    assert [error["loc"] for error in caught.value.errors()] == [("clock_start",)]


def test_a_refusal_quotes_no_value() -> None:
    with pytest.raises(ValidationError) as caught:
        early(triage={"nature_of_call": {"code": "SECRET", "display": "SECRET"}})
    assert "SECRET" not in str(caught.value)
