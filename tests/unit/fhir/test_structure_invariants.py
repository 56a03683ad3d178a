"""Every FHIR invariant that is checked speaks when it is broken, and only then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from cad_bridge.fhir.issues import Severity
from cad_bridge.fhir.structure import check_structure
from cad_bridge.fhir.structure_narrative import has_text, is_plain_xhtml
from cad_bridge.fhir.structure_questionnaire import QUESTIONNAIRE_INVARIANTS
from cad_bridge.fhir.structure_rules import INVARIANTS, at_most
from tests.unit.fhir.messages import SORTS, Json, message

FULL = next(sort for sort in SORTS if sort.payload == "6" and sort.kind == "update")
THL7 = "http://terminology.hl7.org/CodeSystem"
UNKNOWN_QUANTITY = {"value": 1, "code": "kg"}


def first(bundle: Json, resource_type: str) -> Json:
    found: Json = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == resource_type)
    return found


def adding(resource_type: str, **elements: Any) -> Callable[[Json], Any]:
    return lambda bundle: first(bundle, resource_type).update(elements)


def without(resource_type: str, *elements: str) -> Callable[[Json], Any]:
    def change(bundle: Json) -> None:
        for element in elements:
            first(bundle, resource_type).pop(element, None)

    return change


def item(**elements: Any) -> Callable[[Json], Any]:
    return lambda bundle: first(bundle, "Questionnaire")["item"][0].update(elements)


def dose(**repeat: Any) -> Callable[[Json], Any]:
    return adding("MedicationStatement", dosage=[{"timing": {"repeat": repeat}}])


def other(resource_type: str, **elements: Any) -> Callable[[Json], Any]:
    """A further resource of a type that the full message does not have."""
    entry = {"resource": {"resourceType": resource_type, **elements}}
    return lambda bundle: bundle["entry"].append(entry)


def narrative(div: str) -> Callable[[Json], Any]:
    return adding("Patient", text={"status": "generated", "div": div})


def entry_of(**elements: Any) -> Callable[[Json], Any]:
    return lambda bundle: bundle["entry"][1].update(elements)


def of_type(kind: str, **elements: Any) -> Callable[[Json], Any]:
    return lambda bundle: bundle.update(type=kind, **elements)


ENTERED_IN_ERROR = {"coding": [{"system": f"{THL7}/allergyintolerance-verification", "code": "entered-in-error"}]}
NOT_A_CONDITION = {"coding": [{"system": f"{THL7}/condition-ver-status", "code": "entered-in-error"}]}
CODED = {"coding": [{"system": "http://example.org", "code": "1"}]}
PARTICIPANT = [{"actor": {"display": "x"}, "status": "accepted"}]

BREAKS: list[tuple[str, Callable[[Json], Any]]] = [
    ("per-1", adding("Encounter", period={"start": "2026-03-02T10:00:00Z", "end": "2026-03-02T10:59:59+01:00"})),
    ("per-1", adding("Encounter", period={"start": "2026-03-02", "end": "2026-03-01"})),
    ("per-1", adding("Encounter", period={"start": "2026-03", "end": "2026-02-28"})),
    (
        "rng-2",
        adding("Observation", referenceRange=[{"age": {"low": {"value": 2}, "high": {"value": 1}}, "text": "x"}]),
    ),
    ("rat-1", adding("Observation", component=[{"code": CODED, "valueRatio": {"numerator": {"value": 1}}}])),
    ("rat-1", adding("Observation", component=[{"code": CODED, "valueRatio": {"denominator": {"value": 1}}}])),
    ("qty-3", adding("Observation", valueQuantity=UNKNOWN_QUANTITY)),
    ("att-1", adding("Patient", photo=[{"data": "aGk="}])),
    ("cpt-2", adding("Patient", telecom=[{"value": "07700 900123"}])),
    ("tim-1", dose(duration=1)),
    ("tim-2", dose(period=1)),
    ("tim-4", dose(duration=-1, durationUnit="h")),
    ("tim-5", dose(period=-1, periodUnit="h")),
    ("tim-6", dose(periodMax=2)),
    ("tim-7", dose(durationMax=2)),
    ("tim-8", dose(countMax=2)),
    ("tim-9", dose(offset=2)),
    ("tim-10", dose(timeOfDay=["10:00:00"], when=["HS"])),
    ("prr-1", adding("ServiceRequest", orderDetail=[{"text": "x"}])),
    ("pat-1", adding("Patient", contact=[{"gender": "male"}])),
    ("org-1", without("Organization", "name", "identifier")),
    ("org-2", adding("Organization", address=[{"use": "home", "city": "x"}])),
    ("org-3", adding("Organization", telecom=[{"use": "home", "system": "phone", "value": "x"}])),
    ("cpl-3", adding("CarePlan", activity=[{"reference": {"display": "x"}, "detail": {"status": "unknown"}}])),
    ("obs-3", adding("Observation", referenceRange=[{"type": CODED}])),
    ("obs-6", adding("Observation", dataAbsentReason=CODED)),
    ("obs-7", adding("Observation", code=CODED, component=[{"code": CODED}])),
    ("con-1", adding("Condition", stage=[{"type": CODED}])),
    ("con-2", adding("Condition", evidence=[{"extension": [{"url": "http://x", "valueString": "x"}]}])),
    ("con-4", adding("Condition", abatementString="over")),
    ("con-5", adding("Condition", verificationStatus=NOT_A_CONDITION)),
    ("ait-1", without("AllergyIntolerance", "clinicalStatus")),
    ("ait-2", adding("AllergyIntolerance", verificationStatus=ENTERED_IN_ERROR)),
    ("ppc-1", without("Consent", "policyRule")),
    ("que-1", item(type="group", answerOption=None)),
    ("que-1", item(type="display")),
    ("que-2", item(linkId="1")),
    ("que-4", item(answerValueSet="http://example.org/x")),
    ("que-5", item(type="boolean")),
    ("que-7", item(enableWhen=[{"question": "1", "operator": "exists", "answerString": "x"}])),
    ("que-8", item(type="group", item=[], initial=[{"valueString": "x"}])),
    ("que-10", item(maxLength=3)),
    ("que-11", item(initial=[{"valueString": "x"}])),
    ("que-12", item(enableWhen=[{"question": "1", "operator": "=", "answerString": "x"}] * 3)),
    ("que-13", item(initial=[{"valueString": "x"}, {"valueString": "y"}])),
    ("qrs-1", lambda bundle: first(bundle, "QuestionnaireResponse")["item"][0].update(item=[{"linkId": "2"}])),
    ("inv-1", adding("Task", lastModified="2026-03-02T10:13:59Z")),
    ("app-1", other("Appointment", status="proposed", participant=[{"status": "accepted"}])),
    ("app-2", other("Appointment", status="proposed", participant=PARTICIPANT, start="2026-03-02T10:00:00Z")),
    ("app-3", other("Appointment", status="booked", participant=PARTICIPANT)),
    ("app-4", other("Appointment", status="proposed", participant=PARTICIPANT, cancelationReason=CODED)),
    ("grp-1", other("Group", type="person", actual=False, member=[{"entity": {"display": "x"}}])),
    ("bdl-1", of_type("message", total=1)),
    ("bdl-2", entry_of(search={"mode": "match"})),
    ("bdl-3", entry_of(request={"method": "GET", "url": "x"})),
    ("bdl-3", of_type("batch")),
    ("bdl-4", entry_of(response={"status": "200"})),
    ("bdl-4", of_type("batch-response")),
    ("bdl-5", lambda bundle: bundle["entry"].append({"fullUrl": "urn:uuid:9d6ed3f4-5d0b-4f0b-8b58-6a4a16b94bd9"})),
    ("bdl-7", lambda bundle: bundle["entry"].append(bundle["entry"][2])),
    ("bdl-8", entry_of(fullUrl="http://example.org/Patient/1/_history/2")),
    ("bdl-9", of_type("document")),
    ("bdl-10", lambda bundle: (bundle.update(type="document"), bundle.pop("timestamp"))),
    ("bdl-11", of_type("document")),
    ("bdl-12", lambda bundle: bundle["entry"].reverse()),
    ("txt-1", narrative('<div xmlns="http://www.w3.org/1999/xhtml">x<script>alert(1)</script></div>')),
    ("txt-2", narrative('<div xmlns="http://www.w3.org/1999/xhtml"> <p></p></div>')),
]
ELSEWHERE = {"V18", "con-3"}
"""Warnings, with tests of their own."""


@pytest.mark.parametrize(("rule", "change"), BREAKS, ids=[rule for rule, _ in BREAKS])
def test_an_invariant_speaks_when_it_is_broken(rule: str, change: Callable[[Json], Any]) -> None:
    bundle = message(FULL)
    change(bundle)
    speaking = [issue for issue in check_structure(orjson.dumps(bundle)).issues if issue.rule == rule]
    assert [(issue.severity, issue.code) for issue in speaking[:1]] == [(Severity.ERROR, "invariant")]


def test_every_invariant_in_the_tables_is_broken_above() -> None:
    tables = {rule.rule for rows in (INVARIANTS, QUESTIONNAIRE_INVARIANTS) for row in rows.values() for rule in row}
    assert tables - ELSEWHERE <= {rule for rule, _ in BREAKS}


def test_a_problem_without_clinical_status_is_only_told() -> None:
    bundle = message(FULL)
    category = {"coding": [{"system": f"{THL7}/condition-category", "code": "problem-list-item"}]}
    first(bundle, "Condition").update(category=[category])
    del first(bundle, "Condition")["clinicalStatus"]
    (issue,) = check_structure(orjson.dumps(bundle)).issues
    assert (issue.rule, issue.severity) == ("con-3", Severity.WARNING)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2026-03-02T10:00:00Z", "2026-03-02T10:00:00+00:00"),
        ("2026-03-02T10:00:00+01:00", "2026-03-02T09:00:00Z"),
        ("2026-03", "2026-03-01"),
        ("2026-03-02", "2026"),
        ("2026-03-02T23:00:00Z", "2026-03-02"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        (None, "2026"),
        (1, "2026"),
        ("2026-03-02T10:00:00", "2026-03-02T09:00:00Z"),
    ],
)
def test_times_that_need_not_be_in_the_wrong_order_are_not_said_to_be(earlier: object, later: object) -> None:
    assert at_most(earlier, later)


@pytest.mark.parametrize(
    "div",
    [
        "<div>x</div>",
        '<div xmlns="http://www.w3.org/1999/xhtml"><p style="color: red">a &lt; b<br/>c</p><!-- note --></div>',
        "<div><img src='data:image/png;base64,aGk=' alt=\"x\" /></div>",
        '<div lang="en" xml:lang="en"><a href="https://example.org">x</a></div> ',
    ],
)
def test_a_plain_narrative_is_accepted(div: str) -> None:
    assert is_plain_xhtml(div)
    assert has_text(div)


@pytest.mark.parametrize(
    "div",
    [
        "",
        "x",
        "<p>x</p>",
        "<div>x",
        "<div>x</p></div>",
        "<div><p>x</div></p>",
        "<div>x</div><div>y</div>",
        "<div>x</div>y",
        "y<div>x</div>",
        "<div>x<script>alert(1)</script></div>",
        "<div><iframe src='x'/></div>",
        "<div onclick='x()'>x</div>",
        "<div><a href='javascript:x()'>x</a></div>",
        "<div><a href=' JAVA script:x()'>x</a></div>",
        "<div><img src='data:text/html,x'/></div>",
        "<!DOCTYPE html><div>x</div>",
        "<div><![CDATA[x]]></div>",
        "<div><?php x ?></div>",
        "<div class=x>x</div>",
        "<DIV>x</DIV>",
        "<div>a < b</div>",
        "<div" + " a='1'" * 20_000,
        "<div>" + "<" * 200_000,
        "<div>" + "<!--" * 50_000,
        "<div>" + "<p>" * 50_000,
    ],
)
def test_any_other_narrative_is_refused_and_at_once(div: str) -> None:
    assert not is_plain_xhtml(div)
