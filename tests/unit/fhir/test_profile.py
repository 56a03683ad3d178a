"""Profile rules, refusals, references and known defects of a message that is well-formed FHIR."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cad_bridge.fhir.issues import Severity
from cad_bridge.fhir.payload_view import Kind
from cad_bridge.fhir.profile import check_profile
from cad_bridge.fhir.profile_defects import TOLERATED
from cad_bridge.fhir.profile_extensions import DEFINITIONS
from cad_bridge.fhir.profile_references import ANY, targets
from cad_bridge.fhir.structure import MOST_ISSUES
from tests.unit.fhir.changes import Change, dropping, errors_after, first, issues_after, parts, rules_after, setting
from tests.unit.fhir.messages import NHS, SORTS, UKCORE, Json, Sort, message, ref

REQUESTS = {sort.payload: sort for sort in SORTS if sort.kind == "request"}
UPDATES = {sort.payload: sort for sort in SORTS if sort.kind == "update"}
FINAL = next(sort for sort in SORTS if sort.kind == "final")
CANCELLATION = next(sort for sort in SORTS if sort.kind == "cancellation")


def no_phone(bundle: Json) -> None:
    first(bundle, "Patient")["contact"][0]["telecom"] = [{"system": "email", "value": "x@example.org", "rank": 1}]


def no_location(bundle: Json) -> None:
    bundle["entry"] = [entry for entry in bundle["entry"] if entry["resource"]["resourceType"] != "Location"]


# --- what refuses --------------------------------------------------------------------------------------------


@pytest.mark.req("APP-COM-01")
@pytest.mark.parametrize("payload", ["3", "V"])
def test_a_new_request_without_a_phone_is_refused(payload: str) -> None:
    assert errors_after(no_phone, REQUESTS[payload]) == {"APP-COM-01"}
    assert errors_after(dropping("Patient", "contact"), REQUESTS[payload]) == {"APP-COM-01"}
    assert errors_after(no_phone, UPDATES[payload]) == set()


def test_application_6_is_never_refused_for_contacts() -> None:
    for sort in (REQUESTS["6"], UPDATES["6"]):
        for change in (no_phone, dropping("Patient", "contact")):
            assert errors_after(change, sort) == set()
            strict = [issue for issue in issues_after(change, sort, strict=True) if issue.is_error]
            assert strict == []


@pytest.mark.req("APP4-VR-06")
@pytest.mark.parametrize("sort", [REQUESTS["V"], UPDATES["V"]], ids=str)
@pytest.mark.parametrize("end", [None, "2026-03-02", "2026-03", "2026", "2026-13-02T10:45:30Z", "soon", 12, {}])
def test_a_validation_request_without_a_breach_time_is_refused(sort: Sort, end: object) -> None:
    period = {"start": "2026-03-02T10:15:30Z"} | ({} if end is None else {"end": end})
    assert errors_after(setting("ServiceRequest", occurrencePeriod=period), sort) == {"APP4-VR-06"}
    assert errors_after(dropping("ServiceRequest", "occurrencePeriod"), sort) == {"APP4-VR-06"}


def test_only_a_validation_request_must_say_a_breach_time() -> None:
    for sort in (REQUESTS["3"], REQUESTS["6"], FINAL):
        assert errors_after(dropping("ServiceRequest", "occurrencePeriod"), sort) == set()


@pytest.mark.req("APP-COM-09", "PAY-ILO-01")
@pytest.mark.parametrize(("payload", "rule"), [("3", "APP-COM-09"), ("V", "APP-COM-09"), ("6", "PAY-ILO-01")])
def test_a_new_request_without_a_place_is_refused(payload: str, rule: str) -> None:
    assert errors_after(no_location, REQUESTS[payload]) == {rule}
    assert rule in rules_after(no_location, UPDATES[payload])
    assert errors_after(no_location, UPDATES[payload]) == set()


def place(**elements: Any) -> Change:
    def change(bundle: Json) -> None:
        location = first(bundle, "Location")
        for element in ("address", "position", "extension"):
            location.pop(element)
        location |= elements

    return change


@pytest.mark.req("APP-COM-10")
@pytest.mark.parametrize(
    "elements",
    [
        {},
        {"position": {"longitude": 144.96, "latitude": -37.81}},
        {"position": {"longitude": -37.81, "latitude": 144.96}},
        {"extension": parts(eastings="0.33424", northings="0.55634")},
        {"extension": parts(eastings="429157")},
        {"extension": parts(what3words="one.two")},
        {"extension": parts(accuracy="80")},
        {"address": {"country": "GB"}},
        {"address": {"text": "  "}},
    ],
)
def test_a_new_request_for_nowhere_is_refused(elements: Json) -> None:
    for payload in ("3", "V", "6"):
        assert errors_after(place(**elements), REQUESTS[payload]) == {"APP-COM-10"}
        assert errors_after(place(**elements), UPDATES[payload]) == set()


@pytest.mark.parametrize(
    "elements",
    [
        {"position": {"longitude": -1.55, "latitude": 53.8}},
        {"position": {"longitude": 53.8, "latitude": -1.55}},
        {"extension": parts(eastings="429157", northings="433956")},
        {"extension": parts(Eastings="429157", Northings="433956")},
        {"extension": parts(UPRN="10001234567")},
        {"extension": parts(PAF="123")},
        {"extension": parts(what3words="///one.two.three")},
        {"address": {"line": ["Opposite the church"]}},
        {"address": {"text": "Layby on the A1, southbound"}},
        {"address": {"postalCode": "LS1 4AP"}},
    ],
)
def test_help_can_be_sent_to_any_of_these(elements: Json) -> None:
    for payload in ("3", "V", "6"):
        assert errors_after(place(**elements), REQUESTS[payload]) == set()


def test_the_place_that_counts_is_that_of_the_incident() -> None:
    def change(bundle: Json) -> None:
        place()(bundle)

    bundle = message(REQUESTS["6"])
    change(bundle)
    caller = [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Location"][1]
    assert caller["address"], "the caller's place is usable and does not help"
    assert "APP-COM-10" in errors_after(change, REQUESTS["6"])


@pytest.mark.parametrize("endpoint", ["2000000022", "https://fhir.nhs.uk/Id/dos-service-id|", "|2000000022", " | "])
def test_an_endpoint_that_is_no_address_is_refused_as_a_value(endpoint: str) -> None:
    for sort in SORTS:
        issues = issues_after(lambda b: first(b, "MessageHeader")["source"].update(endpoint=endpoint), sort)
        assert {(issue.rule, issue.code) for issue in issues if issue.is_error} == {("S6", "value")}


def test_a_cancellation_that_does_not_say_so_is_refused() -> None:
    issues = issues_after(dropping("MessageHeader", "definition"), CANCELLATION)
    assert {(issue.rule, issue.code) for issue in issues if issue.is_error} == {("V26", "required")}


def test_an_answer_to_our_own_message_is_never_refused() -> None:
    sort = REQUESTS["V"]._replace(kind="acknowledgement")
    for change in (no_phone, no_location, dropping("ServiceRequest", "occurrencePeriod"), dropping("Encounter", "id")):
        assert [issue for issue in issues_after(change, sort, strict=True) if issue.is_error] == []


# --- references ----------------------------------------------------------------------------------------------


@pytest.mark.req("CORE-BND-10")
def test_a_reference_that_leads_nowhere_is_told() -> None:
    (issue,) = issues_after(setting("Observation", subject=ref("nobody")), REQUESTS["V"])
    assert (issue.rule, issue.code, issue.severity) == ("CORE-BND-10", "not-found", Severity.WARNING)
    assert issue.expression.endswith(".subject.reference")


def test_references_may_name_type_and_id() -> None:
    def change(bundle: Json) -> None:
        patient = first(bundle, "Patient")
        first(bundle, "Observation")["subject"] = {"reference": f"Patient/{patient['id']}"}

    assert rules_after(change, REQUESTS["V"]) == set()


@pytest.mark.req("CORE-BND-08")
def test_the_journey_leads_nowhere_and_that_is_right() -> None:
    for reference in ("EpisodeOfCare/0c2bb1a6-25e0-45d5-8a3f-4a2b7b4f5f01", "0c2bb1a6-25e0-45d5-8a3f-4a2b7b4f5f01"):
        change = setting("Encounter", episodeOfCare=[{"reference": reference}])
        assert issues_after(change, REQUESTS["V"], strict=True) == []


@pytest.mark.parametrize(
    ("resource_type", "element", "target", "rule"),
    [
        ("Encounter", "subject", "sender", "reference-target"),
        ("ServiceRequest", "subject", "incident", "reference-target"),
        ("Observation", "subject", "sender", "reference-target"),
        ("CarePlan", "encounter", "patient", "reference-target"),
        ("Flag", "subject", "patient", "BARSFlag-scene-safety"),
    ],
)
def test_a_reference_to_the_wrong_type_is_told(resource_type: str, element: str, target: str, rule: str) -> None:
    change = setting(resource_type, **{element: ref(target)})
    (issue,) = issues_after(change, REQUESTS["V"])
    assert (issue.rule, issue.severity) == (rule, Severity.WARNING)
    assert all(each.is_error for each in issues_after(change, REQUESTS["V"], strict=True))


def test_targets_are_those_of_r4() -> None:
    assert targets()["Observation", "subject"] == {"Patient", "Group", "Device", "Location"}
    assert targets()["Encounter", "individual"] == {"Practitioner", "PractitionerRole", "RelatedPerson"}
    assert targets()["ServiceRequest", "supportingInfo"] == ANY
    assert targets()["Consent", "reference"] == ANY


# --- extensions ----------------------------------------------------------------------------------------------

EXTENSION = f"{UKCORE}/StructureDefinition/Extension-UKCore-"


@pytest.mark.parametrize(
    ("extension", "rule"),
    [
        ({"url": f"{EXTENSION}BirthSex", "valueCode": "female"}, "Extension-UKCore-BirthSex"),
        ({"url": f"{EXTENSION}ContactRank", "valueInteger": 1}, "Extension-UKCore-ContactRank"),
        ({"url": f"{EXTENSION}AddressKey", "valueString": "x"}, "Extension-UKCore-AddressKey"),
        (
            {"url": f"{EXTENSION}AddressKey", "extension": [{"url": "value", "valueString": "x"}]},
            "Extension-UKCore-AddressKey",
        ),
        (
            {"url": f"{EXTENSION}ContactPreference", "extension": [{"url": "PreferredContactTimes", "valueCode": "x"}]},
            "Extension-UKCore-ContactPreference",
        ),
        (
            {
                "url": f"{NHS}/StructureDefinition/LocationExtension",
                "extension": [{"url": "PAF", "valueString": "1"}, {"url": "PAF", "valueString": "2"}],
            },
            "LocationExtension",
        ),
    ],
)
def test_an_extension_against_its_definition_is_told(extension: Json, rule: str) -> None:
    assert rules_after(setting("Patient", extension=[extension]), REQUESTS["V"]) == {rule}


@pytest.mark.parametrize(
    "extension",
    [
        {"url": f"{EXTENSION}EthnicCategory", "valueCodeableConcept": {"text": "x"}},
        {"url": f"{EXTENSION}ContactPreference", "extension": [{"url": "PreferredContactTimes", "valueString": "x"}]},
        {"url": "http://example.org/unknown", "valueString": "x"},
    ],
)
def test_an_extension_by_its_definition_or_without_one_is_not_mentioned(extension: Json) -> None:
    assert issues_after(setting("Patient", extension=[extension]), REQUESTS["V"], strict=True) == []


def test_extensions_are_known_by_their_url_without_regard_to_case() -> None:
    assert all(key == key.casefold() for key in DEFINITIONS)
    assert len(DEFINITIONS) == 35


# --- profiles: what the comparison with the differentials does not show (test_mutants.py) -----------------------


@pytest.mark.parametrize(
    ("resource_type", "wrong", "right"),
    [
        ("Practitioner", [{"text": "Cymraeg"}], [{"coding": [{"system": "urn:ietf:bcp:47", "code": "cy"}]}]),
        (
            "HealthcareService",
            [{"coding": [{"code": "en"}]}],
            [{"coding": [{"system": "urn:ietf:bcp:47", "code": "en"}]}],
        ),
    ],
)
def test_a_language_is_a_code_of_bcp_47(resource_type: str, wrong: list[Json], right: list[Json]) -> None:
    assert rules_after(setting(resource_type, communication=wrong), REQUESTS["V"]) == {f"UKCore-{resource_type}"}
    assert rules_after(setting(resource_type, communication=right), REQUESTS["V"]) == set()


@pytest.mark.parametrize("system", ["urn:ietf:bcp:47", f"{UKCORE}/CodeSystem/UKCore-HumanLanguage"])
def test_both_systems_of_languages_are_understood(system: str) -> None:
    def spoken(code: str) -> Change:
        return setting("Patient", communication=[{"language": {"coding": [{"system": system, "code": code}]}}])

    assert rules_after(spoken("en-GB"), REQUESTS["V"]) == set()
    assert rules_after(spoken("English, I think"), REQUESTS["V"]) == {"UKCore-Patient"}


def test_what_both_profiles_of_a_request_demand_is_asked_of_a_cancellation_too() -> None:
    rule = "BARSServiceRequest-request"
    assert rule in rules_after(setting("ServiceRequest", intent="order"), CANCELLATION)
    assert rule in rules_after(dropping("ServiceRequest", "category"), CANCELLATION)
    assert rule in rules_after(setting("ServiceRequest", category=[{"text": "x"}, {"text": "y"}]), CANCELLATION)


def test_a_bundle_of_another_type_is_no_message() -> None:
    assert "BARSBundleMessage" in rules_after(lambda bundle: bundle.update(type="collection"), REQUESTS["V"])


# --- grading -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use_case", [None, "a1t1", "a5t2", "nonsense"])
@pytest.mark.parametrize("kind", ["request", "update", "interim", "final", "status-response"])
def test_other_use_cases_have_profiles_but_no_element_table(use_case: str | None, kind: Kind) -> None:
    bundle = message(REQUESTS["6"])
    for entry in bundle["entry"]:
        entry["resource"].pop("meta")
    del bundle["timestamp"]
    issues = check_profile(bundle, use_case=use_case, kind=kind, strict=True)
    assert {issue.rule for issue in issues} == {"BARSBundleMessage"}


def test_checking_changes_nothing() -> None:
    for sort in SORTS:
        bundle = message(sort)
        before = copy.deepcopy(bundle)
        check_profile(bundle, use_case=sort.use_case, kind=sort.kind, strict=True)
        assert bundle == before


def test_what_is_tolerated_of_everybody_is_an_error_for_nobody() -> None:
    def change(bundle: Json) -> None:
        location = first(bundle, "Location")
        location["position"] = {"longitude": 53.8, "latitude": -1.55}
        location["extension"] = parts(UPRN="0008755622", eastings="0.3", northings="0.5")

    def not_reached(bundle: Json) -> None:
        (own,) = (entry["resource"] for entry in bundle["entry"] if "reasonCode" in entry["resource"])
        system = "https://fhir.nhs.uk/CodeSystem/rejected-reasons-bars"
        own["reasonCode"] = [{"coding": [{"system": system, "code": "FC", "display": "Failed Contact"}]}]

    interim = next(sort for sort in SORTS if sort.payload == "I")
    issues = [
        *issues_after(change, REQUESTS["V"], strict=True),
        *issues_after(not_reached, interim, strict=True),
    ]
    assert {issue.rule for issue in issues} == TOLERATED
    assert not any(issue.is_error for issue in issues)


def test_more_findings_than_a_reader_bears_are_not_listed_and_what_refuses_comes_first() -> None:
    def change(bundle: Json) -> None:
        flag = next(entry for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Flag")
        bundle["entry"] += [
            {"fullUrl": f"urn:uuid:{n}", "resource": {**flag["resource"], "code": {}}} for n in range(400)
        ]
        no_phone(bundle)

    issues = issues_after(change, REQUESTS["V"])
    assert len(issues) == MOST_ISSUES + 1
    assert (issues[0].rule, issues[-1].rule) == ("APP-COM-01", "most-issues")
