"""The case page says what matters first, what is missing, what is doubtful, and what came back."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from cad_bridge.workflow.vocabulary import Priority, Side, UseCase
from tests.contents import plain_outcome, plain_request
from tests.unit.web.board_pages import (
    NOW,
    Element,
    as_stored,
    case_html,
    escalation,
    event,
    item,
    items,
    read,
    stored_case,
)

GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def content(**changes: Any) -> dict[str, Any]:
    """A request with something of everything, changed."""
    return as_stored(plain_request()) | changes


def page_of(*, request: dict[str, Any] | None = None, **changes: Any) -> Element:
    facts = {name: changes.pop(name) for name in ("events", "escalations", "roles") if name in changes}
    return read(case_html(stored_case(content() if request is None else request, **changes), **facts))


def alerts(page: Element) -> list[Element]:
    return page.one(id_="case-safety").find("li")


def titles(page: Element) -> list[str]:
    return [alert.one("strong").text for alert in alerts(page)]


# --- what is most pertinent ------------------------------------------------------------------------


@pytest.mark.req("CORE-REN-05", "APP-COM-07", "HAZ-H05-03")
def test_the_call_back_number_is_rank_1_of_rank_1_with_whose_it_is() -> None:
    call_back = item(page_of().one(id_="case-pertinent"), "Call back on")
    assert call_back == "07700 900001 The patient, contact 1; mobile phone, method 1"


@pytest.mark.req("HAZ-H03-03")
def test_problem_what_is_asked_and_by_when_stand_at_the_top() -> None:
    page = page_of(request=content(chief_concern="Hip pain"))
    top = page.one(id_="case-pertinent")
    assert item(top, "Problem") == "Fall / Hip pain"
    assert item(top, "What is asked").startswith("Please validate Validate the ambulance response")
    assert item(top, "By when").startswith("15:40 GMT validation breach")
    parts = [part for part in page.walk() if part.attributes.get("id") in {"case-pertinent", "case-content"}]
    assert [part.attributes["id"] for part in parts] == ["case-pertinent", "case-content"]


@pytest.mark.parametrize(
    "contacts",
    [
        [],
        [{"rank": 2, "relationship": "self", "telecom": [{"rank": 1, "system": "phone", "value": "1"}]}],
        [{"rank": 1, "relationship": "self", "telecom": [{"system": "phone", "value": "1"}]}],
        [{"rank": 1, "relationship": "self", "telecom": []}],
        "not a list",
    ],
)
def test_no_number_is_guessed_to_be_the_call_back_number(contacts: Any) -> None:
    said = item(page_of(request=content(contacts=contacts)).one(id_="case-pertinent"), "Call back on")
    assert said.startswith("No contact and number are ranked first")


def test_two_first_numbers_are_both_shown_with_a_warning() -> None:
    telecom = [{"rank": 1, "system": "phone", "value": "0111"}, {"rank": 1, "system": "phone", "value": "0222"}]
    contacts = [{"rank": 1, "relationship": "self", "telecom": telecom}]
    said = item(page_of(request=content(contacts=contacts)).one(id_="case-pertinent"), "Call back on")
    assert "0111" in said
    assert "0222" in said
    assert "More than one number is ranked first" in said


@pytest.mark.parametrize(
    ("value", "href"),
    [("07700 900001", "tel:07700900001"), ("+44 7700 900001", "tel:+447700900001"), ("07700 900001 ext 5", None)],
)
def test_only_a_plain_number_can_be_dialled(value: str, href: str | None) -> None:
    contacts = [{"rank": 1, "relationship": "self", "telecom": [{"rank": 1, "system": "phone", "value": value}]}]
    links = page_of(request=content(contacts=contacts)).one(id_="case-pertinent").find("a")
    assert [link.attributes["href"] for link in links] == ([] if href is None else [href])


def test_without_a_complaint_the_triage_says_what_it_was_about() -> None:
    request = content()
    del request["presenting_complaint"]
    said = item(page_of(request=request).one(id_="case-pertinent"), "Problem")
    assert said == "Complaint and chief concern not provided Triage: Group, Discriminator"


# --- safety ----------------------------------------------------------------------------------------


@pytest.mark.req("APP4-VR-09", "HAZ-H09-03", "APP6-SS-03")
@pytest.mark.parametrize(
    ("safety", "title", "tone", "more"),
    [
        ({"status": "safe"}, "Scene safe", "calm", ""),
        ({"status": "unsafe", "reasons": ["Dog loose"]}, "Scene unsafe", "danger", "Dog loose"),
        ({"status": "unknown"}, "Scene safety not asked", "unknown", "Ask before anybody goes."),
        ({"status": "unknown", "reasons": ["Caller unsure"]}, "Scene safety not known", "unknown", "Caller unsure"),
        (None, "Scene safety not asked", "unknown", "Ask before anybody goes."),
        ({"status": "Q7"}, "Scene unsafe", "danger", "Q7"),
        ({"status": ""}, "Scene unsafe", "danger", "Taken as unsafe"),
        ("on fire", "Scene unsafe", "danger", "on fire"),
    ],
)
def test_scene_safety(safety: Any, title: str, tone: str, more: str) -> None:
    request = content(scene_safety=safety, flags=[])
    if safety is None:
        del request["scene_safety"]
    (alert,) = [alert for alert in alerts(page_of(request=request)) if alert.one("strong").text.startswith("Scene")]
    assert alert.one("strong").text == title
    assert f"b-alert--{tone}" in alert.attributes["class"]
    assert more in alert.text


@pytest.mark.req("APP-COM-18", "APP-COM-34")
@pytest.mark.parametrize(
    ("flag", "title", "tone", "more"),
    [
        ({"category": "SG", "text": "Neglect"}, "Safeguarding", "danger", "Neglect"),
        (
            {"category": "SG", "code": {"code": "417430008", "display": "Vulnerable adult (finding)"}},
            "Safeguarding",
            "danger",
            "Vulnerable adult (finding) 417430008",
        ),
        ({"category": "SG", "code": {"code": "0815"}}, "Safeguarding", "danger", "take it as a concern"),
        (
            {"category": "SG", "code": {"code": "861931000000100", "display": "No safeguarding issues identified"}},
            "Safeguarding: no issue found",
            "calm",
            "No safeguarding issues identified",
        ),
        ({"category": "RA", "code": {"code": "not-listed"}}, "Reasonable adjustment", "danger", "not-listed"),
        ({"category": "RT", "text": "In the drawer"}, "ReSPECT plan", "warning", "In the drawer"),
        ({"category": "XX", "text": "Odd"}, "Flag of an unknown kind", "danger", "take it as a danger"),
        ({"category": "XX", "category_display": "Weapons", "text": "Odd"}, "Weapons", "danger", "XX Weapons"),
        ({"text": "No category"}, "Flag of an unknown kind", "danger", "No category"),
        ("just a text", "Flag of an unknown kind", "danger", "just a text"),
    ],
)
def test_flags(flag: Any, title: str, tone: str, more: str) -> None:
    (alert,) = [
        alert
        for alert in alerts(page_of(request=content(flags=[flag], scene_safety={"status": "safe"})))
        if not alert.one("strong").text.startswith(("Scene", "No safeguarding"))
    ]
    assert alert.one("strong").text == title
    assert f"b-alert--{tone}" in alert.attributes["class"]
    assert more in alert.text


def test_dangers_come_first_and_an_absent_safeguarding_flag_is_said() -> None:
    flags = [{"category": "RC", "text": "x"}, {"category": "IR", "text": "x"}]
    request = content(flags=flags, scene_safety={"status": "unsafe", "reasons": ["x"]})
    expected = ["Scene unsafe", "No safeguarding flag was sent", "Repeat caller", "Infection risk"]
    assert titles(page_of(request=request)) == expected


def test_scene_and_safeguarding_come_first_whatever_they_say() -> None:
    flags = [{"category": "IR", "text": "Measles"}, {"category": "SG", "code": {"code": "861931000000100"}}]
    request = content(flags=flags, scene_safety={"status": "safe"})
    assert titles(page_of(request=request)) == ["Scene safe", "Safeguarding: no issue found", "Infection risk"]


def test_safety_stands_before_everything_clinical() -> None:
    html = case_html(stored_case(content()))
    assert html.index('id="case-safety"') < html.index('id="case-pertinent"') < html.index('id="case-content"')


# --- what is missing, doubtful, or not to be mixed up ----------------------------------------------


@pytest.mark.req("CORE-REN-09", "HAZ-H06-04")
def test_what_is_missing_is_said_and_never_made_up() -> None:
    page = page_of(request={"use_case": "a4t1"})
    for label in ("Name", "NHS number", "Date of birth", "Gender", "Home address", "GP practice", "Summary"):
        assert "Not provided" in items(page, label), label
    for label in ("Contacts", "Incident location", "Caller", "Consent", "Made by", "Household", "Clock start (T5)"):
        assert items(page, label) == ["Not provided"], label
    for label in ("New medication", "New allergies"):
        assert item(page, label) == "Not stated in this request: this does not mean none."
    assert titles(page) == ["Scene safety not asked", "No safeguarding flag was sent"]


@pytest.mark.req("PRSB-20")
def test_new_allergies_and_medication_say_where_to_look_for_known_ones() -> None:
    request = content(allergies=[{"text": "Penicillin"}], medications=[{"text": "Aspirin"}])
    page = page_of(request=request)
    for key, said in (("allergies", "Penicillin"), ("medications", "Aspirin")):
        card = page.one(cls=f"b-card--{key}")
        assert said in card.text
        assert "Look up existing records" in card.text


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ({"value": "9990000018", "verification": "number-present-and-verified"}, "999 000 0018 (verified)"),
        ({"value": "9990000018", "verification": "trace-required"}, "999 000 0018 NOT VERIFIED: Trace required"),
        ({"value": "9990000018"}, "999 000 0018 NOT VERIFIED: verification status not provided"),
        ({"value": "999-1", "verification": "new-code"}, "999-1 NOT VERIFIED: new-code"),
    ],
)
def test_an_nhs_number_that_is_not_verified_says_so(number: dict[str, str], said: str) -> None:
    patient = {"nhs_number": number}
    assert item(page_of(request=content(patient=patient)), "NHS number") == said


@pytest.mark.req("APP6-LOC-11", "HAZ-H04-05")
@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("provisional", "PROVISIONAL: to be confirmed"),
        ("confirmed", "Confirmed"),
        (None, "Not said whether provisional or confirmed"),
    ],
)
def test_a_location_says_whether_it_is_confirmed(status: str | None, said: str) -> None:
    location = content()["incident_location"] | {"status": status, "accuracy_percent": 80}
    card = page_of(request=content(incident_location=location)).one(cls="b-card--place")
    assert item(card, "Status") == said
    assert item(card, "Accuracy (%)") == "80"


@pytest.mark.req("APP-COM-16")
def test_doubtful_coordinates_are_shown_in_both_readings() -> None:
    readings = {
        "as_sent": {"latitude": -1.54, "longitude": 53.79},
        "swapped": {"latitude": 53.79, "longitude": -1.54},
    }
    location = content()["incident_location"] | readings["as_sent"]
    request = content(incident_location=location, coordinate_readings=readings)
    card = page_of(request=request).one(cls="b-card--place")
    assert item(card, "As sent") == "latitude -1.54, longitude 53.79"
    assert item(card, "Exchanged") == "latitude 53.79, longitude -1.54"
    assert "Nothing was corrected" in card.text
    assert "do not lie in the United Kingdom" in item(card, "Coordinates (WGS84)")


def test_birth_sex_stands_apart_from_gender() -> None:
    labels = [dt.text for dt in page_of().one(cls="b-card--patient").find("dt")]
    assert labels.index("Sex assigned at birth (clinically relevant)") > labels.index("Gender") + 3


@pytest.mark.req("CORE-REN-08")
def test_no_guid_is_seen_until_the_technical_part_is_unfolded() -> None:
    request = content(other_resources=[{"resourceType": "Basic", "id": "6f1f3c1e-0d4e-4c52-9f0a-3f7a3c9f5a11"}])
    raised = event("escalation.raised", {"escalation_id": "6f1f3c1e-0d4e-4c52-9f0a-3f7a3c9f5a12", "reason": "breach"})
    page = page_of(request=request, events=(raised,), escalations=(escalation("breach"),))
    assert not GUID.search(" ".join(page.texts(closed_details=False)))
    assert GUID.findall(page.one(id_="technical").text) == [
        "6f1f3c1e-0d4e-4c52-9f0a-3f7a3c9f5a10",
        "6f1f3c1e-0d4e-4c52-9f0a-3f7a3c9f5a11",
    ]


@pytest.mark.req("CORE-CN-11")
@pytest.mark.parametrize("use_case", UseCase)
def test_the_displays_of_use_cases_are_for_nobody_to_see(use_case: UseCase) -> None:
    text = page_of(use_case=use_case, state="sent").text
    assert not any(display in text for display in ("999 - ", "For Validation", "Transfer of Care", "CAD to CAD"))


@pytest.mark.req("CORE-REN-04")
def test_no_path_into_a_message_is_a_label() -> None:
    request = content(also_sent=[{"expression": "Bundle.entry[3].resource.bodySite[0].text", "value": "Left wrist"}])
    page = page_of(request=request)
    assert "Left wrist" in item(page, "Body site text")
    assert not [dt.text for dt in page.find("dt") if "[" in dt.text or "." in dt.text]


@pytest.mark.req("CORE-REN-07")
def test_a_rank_stands_with_its_contact_and_number() -> None:
    card = page_of().one(cls="b-card--contacts")
    assert [dt.text for dt in card.find("dt") if dt.text.startswith("Contact")] == ["Contact 1", "Contact 2"]
    assert item(card, "Contact 1") == (
        "Who The patient Reach by 07700 900001 (mobile phone, method 1) 01632 960001 (home phone, method 2)"
    )


@pytest.mark.req("CORE-SYNC-03", "APP-COM-22")
def test_both_case_numbers_stand_in_the_head() -> None:
    head = page_of().one(id_="case-head")
    assert head.one("h1").text == "TST-0042"
    assert "Remote CAS: CAS-0007" in head.text
    assert "no case number of theirs yet" in page_of(remote_case_number=None).one(id_="case-head").text


def test_source_and_time_of_what_was_asked_are_said() -> None:
    assert "Request of Test EOC, sent 21 Nov 2026 15:20 GMT" in page_of().one(id_="case-content").text
    received = page_of(side=Side.RESPONDER, state="received")
    assert "Request of Remote CAS, received 21 Nov 2026 15:20 GMT" in received.one(id_="case-content").text


def test_deviations_of_a_message_are_shown() -> None:
    warning = {"severity": "warning", "diagnostics": "The NHS number fails its check.", "expression": "Bundle.entry[5]"}
    assert "The NHS number fails its check." in page_of(warnings=(warning,)).one(id_="case-warnings").text


# --- what came back --------------------------------------------------------------------------------


def outcome(**changes: Any) -> dict[str, Any]:
    return as_stored(plain_outcome()) | changes


@pytest.mark.req("APP4-VS-14", "HAZ-H03-04")
@pytest.mark.parametrize(
    ("changes", "text", "more"),
    [
        ({}, "DISPATCH REQUIRED", "an ambulance is needed"),
        ({"dispatch_required": False, "arp": "C5"}, "NO DISPATCH", "no ambulance is needed"),
        ({"dispatch_required": False, "contradictory": True}, "DISPATCH REQUIRED", "contradicts itself"),
        ({"dispatch_required": None}, "DISPATCH REQUIRED", "does not say"),
    ],
)
def test_whether_to_dispatch_is_said_in_words(changes: dict[str, Any], text: str, more: str) -> None:
    headline = page_of(outcome=outcome(**changes)).one(id_="case-response").one(cls="b-headline")
    assert headline.one("strong").text == text
    assert more in headline.text


def test_triage_then_and_now_stand_side_by_side() -> None:
    page = page_of(outcome=outcome(clock_start="2026-11-21T12:20:00Z"))
    rows = page.one(cls="b-table--compare").one("tbody").find("tr")
    table = {row.one("th").text: [cell.text for cell in row.find("td")] for row in rows}
    assert table["Priority (ARP)"] == ["C3 (urgent)", "C4 (less urgent) changed"]
    assert table["Clock start (T5)"] == ["21 Nov 2026 12:00 GMT", "21 Nov 2026 12:20 GMT changed"]
    assert table["Summary"] == ["Fell, cannot get up.", "Spoke to the patient. changed"]
    assert table["Symptom group (SG)"] == ["Group SG1", "Not in the response"]


def test_a_clock_start_that_does_not_count_is_shown_beside_the_one_that_does() -> None:
    kept = outcome(clock_start="2026-11-21T12:20:00Z")
    page = page_of(outcome=kept, clock_start=NOW - timedelta(minutes=20))
    assert item(page, "Clock start that counts here") == "21 Nov 2026 15:00 GMT (the response said otherwise)"


def test_a_new_cad_case_marks_this_one_as_its_duplicate() -> None:
    page = page_of(outcome=outcome(new_cad_id="S7018"), state="dispatch_required", duplicate_of="S7018")
    assert "New CAD case S7018" in page.one(id_="case-response").text
    assert "New CAD case S7018: mark this one as its duplicate." in page.one(id_="case-head").text


@pytest.mark.req("APP4-VS-23")
def test_a_new_cad_case_that_was_named_late_marks_this_one_as_well() -> None:
    page = page_of(state="dispatched", duplicate_of="S7018")
    assert "New CAD case S7018: mark this one as its duplicate." in page.one(id_="case-head").text


@pytest.mark.req("APP4-VS-23")
@pytest.mark.parametrize(("arp", "asked"), [("C1", True), ("C2", True), ("C3", False), ("HCP2", False)])
def test_an_upgrade_without_its_new_cad_case_asks_for_the_link(arp: str, asked: bool) -> None:
    head = page_of(outcome=outcome(arp=arp), state="dispatch_required").one(id_="case-head").text
    assert ("The upgrade names no new CAD case" in head) is asked


@pytest.mark.req("APP4-VS-28", "HAZ-H08-03")
def test_safety_updates_of_the_response_hold_and_the_old_ones_are_marked() -> None:
    kept = outcome(scene_safety={"status": "safe"}, flags=[{"category": "IR", "text": "Measles"}])
    page = page_of(outcome=kept)
    shown = [(alert.one("strong").text, "superseded" in alert.attributes["class"]) for alert in alerts(page)]
    assert shown == [
        ("Scene safe", False),
        ("Infection risk", False),
        ("Scene unsafe", True),
        ("Safeguarding", True),
    ]


def test_flags_that_no_longer_hold_are_said_to_be_gone() -> None:
    assert "No flag holds any more" in titles(page_of(outcome=outcome(flags=[])))
    assert "No flag holds any more" not in titles(page_of(request=content(flags=[]), outcome=outcome(flags=[])))


@pytest.mark.req("HAZ-H08-04")
def test_what_was_sent_back_differently_is_told_apart_from_our_own_record() -> None:
    echoed = content(presenting_complaint="Collapse")
    response = page_of(outcome=outcome(request=echoed)).one(id_="case-response")
    assert "differs from our own record in: presenting complaint." in response.text
    assert "Collapse" in response.one(id_="r-echo").text


def test_a_late_response_is_shown_in_full_beside_the_escalation_and_hides_nothing() -> None:
    data = {"response": "final", "outcome": outcome(), "arp": "C4", "state": "breached", "dispatch_required": True}
    page = page_of(state="breached", events=(event("response.late", data),), escalations=(escalation("breach"),))
    card = page.one(cls="b-escalation")
    assert "Breach time passed" in card.text
    assert "Late response of Remote CAS" in card.text
    assert "DISPATCH REQUIRED (C4)" in card.text
    assert "Spoke to the patient." in page.one(id_="case-late").text
    assert card.find("button")


def test_a_danger_that_only_a_late_response_tells_stands_with_the_safety_flags() -> None:
    kept = outcome(scene_safety={"status": "unsafe", "reasons": ["Knife seen"]})
    page = page_of(events=(event("response.late", {"response": "final", "outcome": kept}),))
    assert "Knife seen" in page.one(id_="case-safety").text


# --- the story and the actions ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "data", "by", "said"),
    [
        ("case.acknowledged", {"remote_case_number": "CAS-1"}, "delivery", "Remote CAS has it as CAS-1"),
        ("failsafe.dispatch", {"arp": "C3"}, "failsafe", "Failsafe: breach time passed without an answer"),
        (
            "case.returned",
            {"reason": {"code": "FC", "text": "Nobody answered"}},
            "https://fhir.nhs.uk/Id/dos-service-id|2000000021",
            "Sent back to us by Remote CAS",
        ),
        ("case.updated", {"changed": ["state"], "dispatched": True, "by": "Dot"}, "Dot", "Resource going"),
        (
            "case.updated",
            {"changed": ["cancellation"], "cancellation": "taken"},
            "delivery",
            "has taken our cancellation",
        ),
        (
            "case.updated",
            {"changed": [], "conflict": ["incident_location"], "by": "them"},
            "https://fhir.nhs.uk/Id/dos-service-id|2000000021",
            "Update by Remote CAS not taken: it differs from what was corrected here (Incident location). Call them",
        ),
        (
            "case.updated",
            {"changed": [], "corrected": ["patient"], "note": "New number", "by": "Ann"},
            "Ann",
            "Corrected here: Patient",
        ),
        (
            "escalation.acknowledged",
            {"reason": "breach", "by": "Dot"},
            "Dot",
            "Acknowledged by Dot: Breach time passed",
        ),
        ("delivery.failed", {"attempts": 3, "last_error": "Phone them."}, "delivery", "could not be delivered"),
    ],
)
def test_the_story_is_told_in_plain_words(type_: str, data: dict[str, Any], by: str, said: str) -> None:
    story = page_of(events=(event(type_, data, by=by),)).one(id_="case-story")
    assert said in story.text
    assert "Rule: r" in story.text
    assert "21 Nov 2026 15:20 GMT" in story.text


@pytest.mark.req("APP4-VS-07")
def test_a_rejection_tells_its_reason_and_what_to_do() -> None:
    data = {"rejection": {"code": "FC", "text": "Nobody answered the phone"}}
    card = page_of(state="returned", escalations=(escalation("rejected", data=data),)).one(cls="b-escalation")
    assert "Sent back to us" in card.text
    assert "Dispatch, or decide anew." in card.text
    assert "Failed Contact" in card.text
    assert "Nobody answered the phone" in card.text


@pytest.mark.parametrize(
    ("side", "state", "roles", "expected"),
    [
        (Side.REQUESTER, "pending", ("dispatcher",), ["dispatch", "cancel"]),
        (Side.REQUESTER, "breached", ("dispatcher",), ["dispatch", "close"]),
        (Side.REQUESTER, "closed", ("dispatcher",), []),
        (Side.REQUESTER, "breached", ("clinician",), []),
        (Side.REQUESTER, "breached", ("auditor",), []),
        (Side.RESPONDER, "received", ("clinician",), ["accept", "start", "reject"]),
        (Side.RESPONDER, "in_progress", ("clinician",), ["reject"]),
        (Side.RESPONDER, "finished", ("clinician",), []),
        (Side.RESPONDER, "received", ("dispatcher",), []),
        (Side.RESPONDER, "received", ("admin",), ["accept", "start", "reject"]),
    ],
)
def test_a_button_is_there_only_where_the_table_moves(
    side: Side, state: str, roles: tuple[str, ...], expected: list[str]
) -> None:
    page = page_of(side=side, state=state, roles=roles)
    forms = page.one(id_="case-actions").find("form")
    assert [form.attributes["action"].rsplit("/", 1)[1] for form in forms] == expected
    hidden = {(field.attributes["name"], field.attributes["value"]) for form in forms for field in form.find("input")
              if field.attributes["type"] == "hidden"}  # fmt: skip
    assert hidden == ({("csrf", "token"), ("state", state)} if expected else set())


def test_mutual_aid_says_when_the_resource_is_needed() -> None:
    page = page_of(
        request=content(resource_requested={"text": "Double-crewed ambulance", "number": 2}),
        use_case=UseCase.MUTUAL_AID,
        state="pending",
        breach_at=None,
        arp=Priority.C2,
        needed_by=NOW + timedelta(minutes=5),
    )
    top = page.one(id_="case-pertinent")
    assert "Double-crewed ambulance" in item(top, "What is asked")
    assert item(top, "By when").startswith("15:25 GMT resource needed by")
    assert "Ours to dispatch" in page.one(id_="case-head").text
