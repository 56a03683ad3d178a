"""Referrals between ambulance services on the case page: what the receiver reports, and why the case went there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_bridge.web.board.presenters.cases import case_row
from cad_bridge.workflow.vocabulary import Side, UseCase
from tests.contents import plain_outcome
from tests.referral_contents import early, mutual_aid
from tests.unit.web.board_pages import NOW, Element, as_stored, case_html, event, item, read, site, stored_case
from tests.unit.web.test_board_case import GUID, alerts, content, page_of, titles
from tests.unit.web.test_board_nothing_lost import Shown, few, words

ENCOUNTER = "0c9d38a6-63b4-4a4e-9d8c-7e0ad9a6c3b1"


def report(status: str | None, **changes: Any) -> dict[str, Any]:
    """A status report as it is kept with the case."""
    kept: dict[str, Any] = {
        "since": "2026-11-21T15:10:00Z",
        "last_updated": "2026-11-21T15:10:05Z",
        "history": [{"status": "planned", "since": "2026-11-21T15:05:00Z"}],
        "case_number": "AST-7",
        "encounter_id": ENCOUNTER,
        "encounter_full_url": f"urn:uuid:{ENCOUNTER}",
        "request": {"scene_safety": {"status": "unknown", "reasons": []}},
    }
    return kept | ({"status": status} if status else {}) | changes


def referral(outcome: dict[str, Any], use_case: UseCase = UseCase.OUT_OF_AREA, **changes: Any) -> Element:
    request = as_stored(mutual_aid(scene_safety={"status": "safe"}, flags=[])) | {"use_case": use_case.value}
    return page_of(request=request, use_case=use_case, outcome=outcome, state="in_progress", **changes)


@pytest.mark.req("HAZ-H03-04")
@pytest.mark.parametrize(
    ("status", "text", "tone"),
    [
        ("planned", "WAITING FOR A RESOURCE", "warning"),
        ("in-progress", "RESOURCE ALLOCATED", "calm"),
        ("finished", "RESOURCE CLEARED", "calm"),
        ("cancelled", "REFUSED", "danger"),
        ("onleave", "STATUS NOT KNOWN", "danger"),
        (None, "STATUS NOT KNOWN", "danger"),
    ],
)
def test_a_report_is_shown_as_what_it_is_and_never_as_a_decision_to_dispatch(
    status: str | None, text: str, tone: str
) -> None:
    came_back = referral(report(status)).one(id_="case-response")
    headline = came_back.one(cls="b-headline")
    assert headline.one("strong").text == text
    assert f"b-headline--{tone}" in headline.attributes["class"]
    assert "DISPATCH" not in came_back.text
    assert "validation" not in came_back.text


def test_a_report_says_its_times_and_statuses_in_words() -> None:
    came_back = referral(report("finished")).one(id_="case-response")
    assert item(came_back, "Status") == "resource cleared"
    assert item(came_back, "Since") == "21 Nov 2026 15:10 GMT"
    assert item(came_back, "Statuses so far") == "21 Nov 2026 15:05 GMT (waiting for a resource)"
    assert item(came_back, "Their case number") == "AST-7"


def test_what_a_short_report_leaves_out_is_no_difference() -> None:
    assert "differs from our own record" not in referral(report("planned")).text
    told = report("planned", request={"scene_safety": {"status": "unsafe", "reasons": ["Dog"]}})
    assert "differs from our own record in: scene safety." in referral(told).text


@pytest.mark.req("CORE-REN-08", "HAZ-H08-02")
@pytest.mark.parametrize("use_case", sorted(UseCase))
def test_no_guid_is_seen_before_technical_identifiers_are_unfolded(use_case: UseCase) -> None:
    kept = report("finished") if use_case.is_cad_to_cad else as_stored(plain_outcome())
    page = referral(kept, use_case, events=(event("case.completed", {"dispatch_required": False, "outcome": {}}),))
    assert not GUID.search(" ".join(page.texts(closed_details=False)))
    for closed in page.find("details"):
        if "Technical identifiers" not in closed.text:
            assert not GUID.search(closed.text)


def test_the_end_of_a_referral_is_no_final_response() -> None:
    ended = event("case.completed", {"dispatch_required": False, "outcome": {}})
    told = replace(ended, case={"use_case": "a6t1", "side": "requester"})
    story = referral(report("finished"), events=(told,)).one(id_="case-story")
    assert "Remote CAS has finished" in story.text
    assert "NO DISPATCH" not in story.text


@few
@given(st.dictionaries(words, words, min_size=1, max_size=3))
def test_what_a_report_says_beside_that_is_shown(more: dict[str, Any]) -> None:
    kept = report("planned", **more)
    assert Shown(referral(kept)).missing({name: kept[name] for name in more}) == []


# --- why it went there -----------------------------------------------------------------------------

CONFIRMED: dict[str, Any] = {
    "how": "confirmed",
    "service_id": "https://fhir.nhs.uk/Id/dos-service-id|2000000012",
    "ods_code": "RX6",
    "answer": {
        "outcome": "ambiguous",
        "ast": {"ods_code": "RX8", "name": "Yorkshire Ambulance Service", "service_id": None},
        "border_m": 80.4,
        "neighbours": [{"ods_code": "RX6", "distance_m": 80.4}],
        "reasons": ["near-border: another area is 80 m away"],
        "boundary_version": "default-0123456789ab",
    },
    "alternatives": [{"ods_code": "RX6", "name": "North East", "distance_m": 80.4, "service_ids": ["urn:x|1"]}],
    "doubts": ["near-border: another area is 80 m away"],
    "confirmed_by": "Dot Person",
    "reason": "Agreed by phone",
}


@pytest.mark.req("APP6-REF-11")
def test_why_a_case_went_where_it_went_stands_beside_where_it_is() -> None:
    page = read(case_html(stored_case(content(), use_case=UseCase.OUT_OF_AREA).evolve(discovery=CONFIRMED)))
    part = page.one(cls="b-card--routing")
    assert part.one("h3").text == "Why it went to this service"
    assert item(part, "Decided") == "Confirmed by a person, although the place leaves doubt"
    assert item(part, "Confirmed by") == "Dot Person"
    assert item(part, "Because") == "Agreed by phone"
    assert item(part, "How certain") == "NOT CERTAIN: close to the border of another area"
    assert item(part, "To the next area") == "80 m"
    assert item(part, "Why") == "another area is 80 m away near-border"
    assert item(part, "In doubt") == "another area is 80 m away near-border"
    order = [card.attributes["class"] for card in page.one(id_="case-content").find("section")]
    assert order.index("b-card b-card--routing") == order.index("b-card b-card--place") + 1


@few
@given(st.dictionaries(words, words, min_size=1, max_size=3))
def test_nothing_of_a_discovery_is_left_out(more: dict[str, Any]) -> None:
    view = CONFIRMED | more | {"answer": CONFIRMED["answer"] | more}
    page = read(case_html(stored_case(content()).evolve(discovery=view)))
    told = Shown(page).missing(view | {"how": None, "doubts": None, "alternatives": None, "answer": more})
    assert told == []


def test_a_place_whose_sources_disagree_is_not_said_to_be_certain() -> None:
    reasons = ["inside: the place lies in it", "sources-disagree: they lie 20 km apart"]
    view = {"how": "plotted", "answer": CONFIRMED["answer"] | {"outcome": "found", "reasons": reasons}}
    page = read(case_html(stored_case(content(), side=Side.RESPONDER).evolve(discovery=view)))
    part = page.one(cls="b-card--routing")
    assert part.one("h3").text == "Whose area it is"
    assert item(part, "How certain") == "NOT CERTAIN: what was sent about the place does not agree"


# --- where it is, and how the patient is -----------------------------------------------------------


def warning(rule: str) -> dict[str, Any]:
    return {
        "severity": "warning",
        "code": "value",
        "expression": "Bundle.entry.resource.ofType(Location)",
        "diagnostics": "Position and grid lie 20.0 km apart.",
        "rule": rule,
    }


@pytest.mark.req("HAZ-H04-02", "APP6-LOC-06")
@pytest.mark.parametrize(
    ("rule", "tone"), [("HAZ-H04-02", "danger"), ("APP6-LOC-06", "danger"), ("HAZ-H04-03", "warning")]
)
def test_a_doubtful_location_is_among_the_first_things_seen(rule: str, tone: str) -> None:
    stored = stored_case(content(scene_safety={"status": "safe"}, flags=[]), warnings=(warning(rule),))
    (alert,) = [alert for alert in alerts(read(case_html(stored))) if alert.one("strong").text == "Location in doubt"]
    assert f"b-alert--{tone}" in alert.attributes["class"]
    assert "Position and grid lie 20.0 km apart." in alert.text
    row = case_row(stored, site=site(), deadlines={}, now=NOW)
    assert ("Location in doubt", tone) in {(mark.text, mark.tone) for mark in row.tags}


@pytest.mark.req("HAZ-H04-03")
def test_exchanged_coordinates_are_among_the_first_things_seen() -> None:
    readings = {"as_sent": {"latitude": -1.5, "longitude": 53.7}, "swapped": {"latitude": 53.7, "longitude": -1.5}}
    assert "Location in doubt" in titles(page_of(request=content(coordinate_readings=readings)))
    abroad = content()["incident_location"] | {"latitude": 10.0, "longitude": 10.0}
    assert "Location in doubt" in titles(page_of(request=content(incident_location=abroad)))
    assert "Location in doubt" not in titles(page_of())


@pytest.mark.req("APP4-VS-25")
def test_a_location_that_the_response_changed_holds_and_the_former_one_stands_beside_it() -> None:
    kept = as_stored(
        plain_outcome(
            incident_location={"text": "Flat 9, 2 Other Road", "what3words": "a.b.c", "status": "provisional"}
        )
    )
    stored = stored_case(content(), outcome=kept, state="dispatch_required")
    where = item(read(case_html(stored)).one(id_="case-pertinent"), "Where")
    assert where.startswith("Flat 9, 2 Other Road")
    assert "Changed by the response. Before: 1 Test Street" in where
    assert "PROVISIONAL: to be confirmed" in where
    assert case_row(stored, site=site(), deadlines={}, now=NOW).place == "Flat 9, 2 Other Road"


@pytest.mark.parametrize(
    ("sieve", "title"),
    [
        ({"breathing": False}, "Not breathing"),
        ({"breathing": True, "conscious": False, "noisy_breathing": True}, "Unconscious, noisy breathing"),
        ({"breathing": True, "conscious": True}, None),
    ],
)
def test_what_the_sieve_found_is_seen_before_everything_else(sieve: dict[str, bool], title: str | None) -> None:
    request = as_stored(early(triage={"pre_triage_sieve": sieve}))
    stored = stored_case(request, use_case=UseCase.OUT_OF_AREA, outcome=report("planned"))
    first = titles(read(case_html(stored)))[0]
    assert first == (title or "Scene safety not asked")
    tags = [mark.text for mark in case_row(stored, site=site(), deadlines={}, now=NOW).tags]
    assert tags[0] == (title or "Scene safety not asked")


@pytest.mark.parametrize(
    ("patient", "said"),
    [
        ({"name": {"text": "Pat Placeholder"}, "birth_date": "1951-03-14", "gender": "female"},
         "Pat Placeholder 75 years, born 14 Mar 1951, Female NHS number not provided"),
        ({"estimated_age_years": 40}, "Name not provided about 40 years NHS number not provided"),
        ({}, "Name not provided Age and gender not provided NHS number not provided"),
        ({"nhs_number": {"value": "9990000018"}},
         "Name not provided Age and gender not provided NHS number 999 000 0018 "
         "NOT VERIFIED: verification status not provided"),
    ],
)  # fmt: skip
def test_who_the_patient_is_is_said_at_a_glance(patient: dict[str, Any], said: str) -> None:
    assert item(page_of(request=content(patient=patient)).one(id_="case-pertinent"), "Patient") == said


@pytest.mark.parametrize(
    ("spoken", "said"),
    [
        ({"language": "gu"}, "Gujarati gu"),
        ({"language": "gu", "language_display": "As sent"}, "As sent gu"),
        ({"language": "zz"}, "zz"),
    ],
)
def test_a_language_is_said_by_its_name(spoken: dict[str, Any], said: str) -> None:
    assert item(page_of(request=content(patient={"communication": spoken})), "Language") == said


def test_a_time_that_has_passed_is_said_to_have_passed_beside_the_one_that_counts_now() -> None:
    page = page_of(state="breached", breach_at=NOW)
    said = item(page.one(id_="case-pertinent"), "By when")
    assert said == "15:20 GMT validation breach, passed 17:00 GMT dispatch by Clock start 15:00 GMT"
