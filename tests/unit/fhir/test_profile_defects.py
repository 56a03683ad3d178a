"""What is known of real senders and of the published examples is told, and refuses nothing by itself."""

from __future__ import annotations

from typing import Any

import pytest

from cad_bridge.fhir.profile_defects import is_nhs_number
from tests.unit.fhir.changes import Change, first, issues_after, parts, rules_after, setting
from tests.unit.fhir.messages import NHS, SORTS, Json, ref, url

REQUESTS = {sort.payload: sort for sort in SORTS if sort.kind == "request"}


@pytest.mark.parametrize("number", ["9434765919", "9000000009", "4010232137"])
def test_an_nhs_number_passes_its_check_digit(number: str) -> None:
    assert is_nhs_number(number)
    assert not is_nhs_number(str((int(number) + 1) % 10**10))


@pytest.mark.parametrize(
    "number",
    [
        "",
        "943476591",
        "94347659190",
        "943476591X",
        "\uff13\uff14\uff17\uff18\uff15\uff12\uff16\uff19\uff18\uff15",
        "3478526985",
    ],
)
def test_anything_else_does_not(number: str) -> None:
    assert not is_nhs_number(number)


def coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code, "display": "x"}]}


def outcome(**elements: Any) -> Change:
    return lambda bundle: first(bundle, "CarePlan")["activity"][0]["outcomeCodeableConcept"].append(elements)


def without_priority(bundle: Json) -> None:
    first(bundle, "CarePlan")["activity"][0]["outcomeCodeableConcept"].pop(1)


def without_flags(bundle: Json) -> None:
    bundle["entry"] = [entry for entry in bundle["entry"] if entry["resource"]["resourceType"] != "Flag"]


def same_case_number_system(bundle: Json) -> None:
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "Encounter":
            entry["resource"]["identifier"][0]["system"] = "https://sender.example.org/Id/case-number"


def not_breathing(bundle: Json) -> None:
    answers = first(bundle, "QuestionnaireResponse")["item"]
    answers[0]["answer"][0]["valueCoding"]["code"] = "1023001"
    awake = {"valueCoding": {"code": "428913001"}}
    answers.append({"linkId": "1", "text": "Is the patient awake?", "answer": [awake]})


def flag_code(system: str) -> Change:
    def change(bundle: Json) -> None:
        (flag,) = (entry["resource"] for entry in bundle["entry"] if entry["fullUrl"] == url("adjustment"))
        flag["code"] = coded(system, "X")

    return change


def rejected_for(code: str) -> Change:
    def change(bundle: Json) -> None:
        (encounter,) = (each["resource"] for each in bundle["entry"] if each["fullUrl"] == url("responder-encounter"))
        encounter["reasonCode"] = [coded(f"{NHS}/CodeSystem/rejected-reasons-bars", code)]

    return change


def identified(system: str) -> Change:
    return setting("Organization", identifier=[{"system": system, "value": "RX8"}])


WEEKS = {"value": 1, "unit": "weeks", "system": "https://ucum.org/trac", "code": "week"}

DEFECTS: list[tuple[str, str, Change]] = [
    ("S1", "V", setting("Location", position={"longitude": 53.8, "latitude": -1.55})),
    ("S1", "V", setting("Location", position={"longitude": 144.9, "latitude": -37.8})),
    ("S2", "V", setting("Location", extension=parts(eastings="0.33424", northings="0.55634"))),
    ("S2", "V", setting("Location", extension=parts(eastings="SE 29", northings="33956"))),
    ("S3", "V", setting("Location", extension=parts(UPRN="0008755622"))),
    ("S4", "V", setting("Patient", identifier=[{"system": f"{NHS}/Id/nhs-number", "value": "3478526985"}])),
    ("S5", "V", identified("https://fhir.nhs.uk/id/ods-organization-code")),
    ("S5", "V", identified("http://fhir.nhs.uk/Id/ods-organization-code")),
    ("S16", "V", lambda b: first(b, "Patient")["meta"].update(lastUpdated="2026-03-02T10:15:31Z")),
    ("S17", "V", outcome(text="Fell./nNot injured")),
    ("S17", "V", outcome(text="Fell.\\nNot injured")),
    ("S21", "6", not_breathing),
    ("S23", "F", same_case_number_system),
    ("S25", "V", setting("CarePlan", author=ref("call-handler"))),
    ("V11", "V", setting("Flag", code=coded(f"{NHS}/CodeSystem/scene-safety-codes-bars", "UT"))),
    ("V12", "I", rejected_for("FC")),
    ("V17", "V", setting("Observation", valueQuantity=WEEKS)),
    ("FLAG-CODES", "V", flag_code("https://fhir.nhs.uk/flag-codes-bars")),
    ("APP-COM-40", "V", without_priority),
    ("APP-COM-40", "3", without_priority),
    ("APP-COM-40", "F", without_priority),
    ("APP-COM-31", "V", without_flags),
]


@pytest.mark.parametrize(("rule", "payload", "change"), DEFECTS, ids=[each[0] for each in DEFECTS])
def test_a_known_defect_is_told_and_refuses_nothing(rule: str, payload: str, change: Change) -> None:
    sort = next(each for each in SORTS if each.payload == payload)
    issues = issues_after(change, sort)
    assert rule in {issue.rule for issue in issues}
    assert not any(issue.is_error for issue in issues)


@pytest.mark.parametrize("text", ["and/or", "A/n", "http://x/news", "1/n2", "see C:\\temp"])
def test_a_stroke_is_not_taken_for_a_line_break(text: str) -> None:
    assert "S17" not in rules_after(outcome(text=text), REQUESTS["V"])


def test_a_missing_priority_is_never_taken_for_a_low_one() -> None:
    assert "APP-COM-40" not in rules_after(without_priority, REQUESTS["6"])
    renamed = setting("CarePlan", activity=[{"outcomeCodeableConcept": [coded(f"{NHS}/Id/pathways-arp-code", "C3")]}])
    assert "APP-COM-40" not in rules_after(renamed, REQUESTS["V"])
