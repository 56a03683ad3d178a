"""A message that is no FHIR R4 is refused, with every fault at its place; a well-formed one passes in silence."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.fhir.structure import MOST_ISSUES, check_structure
from cad_bridge.fhir.structure_paths import fhir_path, json_path
from tests.shared_material import SHARED, needs_shared
from tests.unit.fhir.messages import SORTS, Json, Sort, message

FULL = next(sort for sort in SORTS if sort.payload == "6" and sort.kind == "update")


def place_of(bundle: Json, resource_type: str) -> int:
    """The index of the first entry of a type."""
    return next(i for i, entry in enumerate(bundle["entry"]) if entry["resource"]["resourceType"] == resource_type)


def first(bundle: Json, resource_type: str) -> Json:
    found: Json = bundle["entry"][place_of(bundle, resource_type)]["resource"]
    return found


def issues_of(bundle: Any) -> tuple[Issue, ...]:
    return check_structure(orjson.dumps(bundle)).issues


@pytest.mark.parametrize("sort", SORTS, ids=str)
def test_a_well_formed_message_passes_in_silence(sort: Sort) -> None:
    raw = orjson.dumps(message(sort))
    result = check_structure(raw)
    assert result.issues == ()
    assert result.bundle == orjson.loads(raw)


Break = Callable[[Json], Any]


def broken(change: Break) -> tuple[Json, tuple[Issue, ...]]:
    bundle = message(FULL)
    change(bundle)
    return bundle, issues_of(bundle)


def at(resource_type: str, path: str) -> str:
    return f"Bundle.entry[{place_of(message(FULL), resource_type)}].resource.{path}".removesuffix(".")


def setting(resource_type: str, /, **elements: Any) -> Break:
    return lambda bundle: first(bundle, resource_type).update(elements)


def dropping(resource_type: str, element: str) -> Break:
    return lambda bundle: first(bundle, resource_type).pop(element)


EXTENSION = {"url": "http://example.org/x"}

VALUE, CODE, TYPE = ("value", "r4-format"), ("code-invalid", "r4-binding"), ("structure", "r4-type")
NEEDED, UNKNOWN, EMPTY = ("required", "r4-required"), ("structure", "r4-unknown-element"), ("structure", "ele-1")
CHOICE, EXT_1, NULL = ("structure", "r4-choice"), ("invariant", "ext-1"), ("structure", "json-null")
NO_TYPE, REFERENCE = ("structure", "r4-resource-type"), ("value", "reference-form")
SAID = {**EXTENSION, "valueString": "x"}

FAULTS: list[tuple[str, Break, tuple[str, str], tuple[str, str]]] = [
    ("status missing", dropping("Encounter", "status"), ("Encounter", "status"), NEEDED),
    ("class missing", dropping("Encounter", "class"), ("Encounter", "class"), NEEDED),
    ("code", setting("Encounter", status="bananas"), ("Encounter", "status"), CODE),
    ("code case", setting("Encounter", status="Finished"), ("Encounter", "status"), CODE),
    ("unknown", setting("Patient", shoeSize=44), ("Patient", ""), UNKNOWN),
    ("comments", setting("Patient", fhir_comments=["x"]), ("Patient", ""), UNKNOWN),
    ("resource_type", setting("Patient", resource_type="x"), ("Patient", ""), UNKNOWN),
    ("not a list", setting("Patient", name={"text": "x"}), ("Patient", "name"), TYPE),
    ("a list", setting("Patient", gender=["male"]), ("Patient", "gender"), CODE),
    ("text for boolean", setting("Patient", active="true"), ("Patient", "active"), TYPE),
    ("number for boolean", setting("Patient", active=1), ("Patient", "active"), TYPE),
    ("number for text", setting("Patient", birthDate=1947), ("Patient", "birthDate"), TYPE),
    ("null", setting("Patient", birthDate=None), ("Patient", "birthDate"), TYPE),
    ("no such day", setting("Patient", birthDate="2021-02-29"), ("Patient", "birthDate"), VALUE),
    ("no such month", setting("Patient", birthDate="2021-13"), ("Patient", "birthDate"), VALUE),
    ("no zone", setting("Task", authoredOn="2026-03-02T10:00:00"), ("Task", "authoredOn"), VALUE),
    ("hour 24", setting("Task", authoredOn="2026-03-02T24:00:00Z"), ("Task", "authoredOn"), VALUE),
    ("no seconds", setting("Task", authoredOn="2026-03-02T10:00Z"), ("Task", "authoredOn"), VALUE),
    ("long id", setting("Patient", id="x" * 65), ("Patient", "id"), VALUE),
    ("odd id", setting("Patient", id="a_b"), ("Patient", "id"), VALUE),
    ("empty text", setting("Location", name=""), ("Location", "name"), VALUE),
    ("blank in uri", setting("Patient", implicitRules="a b"), ("Patient", "implicitRules"), VALUE),
    ("empty list", setting("Patient", name=[]), ("Patient", "name"), EMPTY),
    ("empty object", setting("Patient", maritalStatus={}), ("Patient", "maritalStatus"), EMPTY),
    ("only an id", setting("Patient", maritalStatus={"id": "x"}), ("Patient", "maritalStatus"), EMPTY),
    ("two of a choice", setting("ServiceRequest", occurrenceDateTime="2026"), ("ServiceRequest", "occurrence"), CHOICE),
    (
        "a choice and the extension of another",
        setting("ServiceRequest", _occurrenceDateTime={"extension": [SAID]}),
        ("ServiceRequest", "occurrence"),
        CHOICE,
    ),
    (
        "required choice",
        dropping("MedicationStatement", "medicationCodeableConcept"),
        ("MedicationStatement", "medication"),
        NEEDED,
    ),
    ("extension says nothing", setting("Patient", extension=[EXTENSION]), ("Patient", "extension[0]"), EXT_1),
    (
        "extension says both",
        setting("Patient", extension=[{**SAID, "extension": [SAID]}]),
        ("Patient", "extension[0]"),
        EXT_1,
    ),
    (
        "extension says two values",
        setting("Patient", extension=[{**SAID, "valueCode": "x"}]),
        ("Patient", "extension[0]"),
        EXT_1,
    ),
    ("no url", setting("Patient", extension=[{"valueString": "x"}]), ("Patient", "extension[0].url"), NEEDED),
    (
        "value type of R4B",
        setting("Patient", extension=[{**EXTENSION, "valueCodeableReference": {"concept": {"text": "x"}}}]),
        ("Patient", "extension[0]"),
        UNKNOWN,
    ),
    ("fraction", setting("Patient", multipleBirthInteger=1.0), ("Patient", "multipleBirth"), VALUE),
    ("too large", setting("Patient", multipleBirthInteger=2**31), ("Patient", "multipleBirth"), VALUE),
    (
        "decimal as text",
        setting("Location", position={"longitude": "1", "latitude": 2}),
        ("Location", "position.longitude"),
        TYPE,
    ),
    (
        "bad base64",
        setting("Patient", photo=[{"contentType": "image/png", "data": "a?b="}]),
        ("Patient", "photo[0].data"),
        VALUE,
    ),
    ("media type", setting("Patient", photo=[{"contentType": "png"}]), ("Patient", "photo[0].contentType"), VALUE),
    ("null in list", setting("Patient", name=[{"given": ["a", None]}]), ("Patient", "name[0].given[1]"), NULL),
    (
        "null in extensions",
        setting("Patient", name=[{"given": ["a"], "_given": [None, None]}]),
        ("Patient", "name[0].given[1]"),
        NULL,
    ),
    ("null object", setting("Patient", name=[None]), ("Patient", "name[0]"), TYPE),
    ("no resource type", dropping("Patient", "resourceType"), ("Patient", "resourceType"), NEEDED),
    ("unknown type", setting("Patient", resourceType="Person2"), ("Patient", "resourceType"), NO_TYPE),
    ("R5 type", setting("Patient", resourceType="Transport"), ("Patient", "resourceType"), NO_TYPE),
    ("reference with blank", setting("Task", focus={"reference": "a b"}), ("Task", "focus.reference"), REFERENCE),
    (
        "reference to no type",
        setting("Task", focus={"reference": "Ecounter/1"}),
        ("Task", "focus.reference"),
        REFERENCE,
    ),
    (
        "reference not a UUID",
        setting("Task", focus={"reference": "urn:uuid:1"}),
        ("Task", "focus.reference"),
        REFERENCE,
    ),
    (
        "concept of a required binding",
        setting("Condition", clinicalStatus={"coding": [{"code": "better"}]}),
        ("Condition", "clinicalStatus"),
        CODE,
    ),
    (
        "concept without coding",
        setting("Condition", clinicalStatus={"text": "active"}),
        ("Condition", "clinicalStatus.coding"),
        NEEDED,
    ),
]


@pytest.mark.parametrize(("change", "place", "fault"), [pytest.param(*each[1:], id=each[0]) for each in FAULTS])
def test_a_fault_is_told_at_its_place(change: Break, place: tuple[str, str], fault: tuple[str, str]) -> None:
    _, issues = broken(change)
    told = {(issue.expression, issue.code, issue.rule) for issue in issues if issue.is_error}
    assert (at(*place), *fault) in told


def test_all_faults_are_told_not_the_first_only() -> None:
    def change(bundle: Json) -> None:
        setting("Encounter", status="x")(bundle)
        dropping("CarePlan", "intent")(bundle)
        setting("Patient", gender="x", birthDate="x", shoeSize=44)(bundle)

    _, issues = broken(change)
    assert {issue.expression for issue in issues} == {
        at("Encounter", "status"),
        at("CarePlan", "intent"),
        at("Patient", "gender"),
        at("Patient", "birthDate"),
        at("Patient", ""),
    }


def test_a_misspelt_element_is_told_by_its_right_name_and_never_by_what_was_written() -> None:
    _, issues = broken(setting("Patient", BirthDate="1947-02-03", JohnSmith=1))
    (issue,) = issues
    assert issue.diagnostics == "2 element(s) here are not defined by FHIR R4. Perhaps meant: birthDate."


@pytest.mark.parametrize(
    "change",
    [
        setting("Patient", birthDate="2024-02-29"),
        setting("Patient", birthDate="1947"),
        setting("Task", authoredOn="2016-12-31T23:59:60Z"),
        setting("Task", authoredOn="2026-03-02T10:00:00.123456789+14:00"),
        setting("Patient", name=[{"given": ["a", None], "_given": [None, {"extension": [SAID]}]}]),
        setting("Patient", _birthDate={"extension": [{**EXTENSION, "valueString": "x"}]}),
        setting("Encounter", _status={"id": "x", "extension": [{**EXTENSION, "valueString": "x"}]}),
        setting("Patient", extension=[{**SAID, "id": "x"}]),
        setting("Patient", extension=[{**SAID, "_valueString": {"extension": [SAID]}}]),
        setting("Patient", extension=[{**EXTENSION, "extension": [{**EXTENSION, "valueBoolean": False}]}]),
        setting("Condition", clinicalStatus={"coding": [{"code": "other", "system": "http://x"}, {"code": "active"}]}),
        setting("Encounter", episodeOfCare=[{"reference": "0c2bb1a6-25e0-45d5-8a3f-4a2b7b4f5f01"}]),
        setting("Patient", managingOrganization={"reference": "https://example.org/Organization/1"}),
        setting("Patient", managingOrganization={"display": "no reference"}),
    ],
)
def test_what_r4_allows_is_not_refused(change: Break) -> None:
    _, issues = broken(change)
    assert not any(issue.is_error for issue in issues)


def test_a_required_element_may_be_absent_for_a_stated_reason() -> None:
    reason = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}

    def change(bundle: Json) -> None:
        encounter = first(bundle, "Encounter")
        del encounter["status"]
        encounter["_status"] = {"extension": [reason]}

    assert broken(change)[1] == ()


def test_a_coding_of_a_required_binding_without_system_is_understood_and_told() -> None:
    _, issues = broken(setting("Condition", clinicalStatus={"coding": [{"code": "active"}]}))
    (issue,) = issues
    assert (issue.rule, issue.severity) == ("V18", Severity.WARNING)


def test_a_resource_of_any_other_type_of_r4_is_checked_too() -> None:
    def add(**elements: Any) -> tuple[Issue, ...]:
        bundle = message(FULL)
        resource = {
            "resourceType": "ClinicalImpression",
            "status": "completed",
            "subject": {"display": "x"},
            **elements,
        }
        bundle["entry"].append({"fullUrl": "urn:uuid:9d6ed3f4-5d0b-4f0b-8b58-6a4a16b94bd9", "resource": resource})
        return issues_of(bundle)

    place = f"Bundle.entry[{len(message(FULL)['entry'])}].resource"
    assert add() == ()
    assert {(issue.expression, issue.rule) for issue in add(subject=None, wrong=1)} == {
        (f"{place}.subject", "r4-type"),
        (place, "r4-unknown-element"),
    }


def test_contained_resources_are_checked_like_others() -> None:
    def contain(resource: Json) -> set[tuple[str, str]]:
        bundle = message(FULL)
        medicine = first(bundle, "MedicationStatement")
        del medicine["medicationCodeableConcept"]
        medicine |= {"contained": [resource], "medicationReference": {"reference": "#m"}}
        return {(issue.expression, issue.rule) for issue in issues_of(bundle)}

    place = at("MedicationStatement", "contained[0]")
    good = {"resourceType": "Medication", "id": "m", "code": {"text": "x"}}
    assert contain(good) == set()
    assert contain(good | {"status": "x"}) == {(f"{place}.status", "r4-binding")}
    assert contain(good | {"id": "other"}) == {
        (f"{place}.id", "dom-3"),
        (at("MedicationStatement", "medication.reference"), "ref-1"),
    }
    assert contain(good | {"meta": {"versionId": "1"}}) == {(f"{place}.meta", "dom-4")}
    assert contain(good | {"contained": [good]}) >= {(f"{place}.contained", "dom-2")}
    assert contain({"resourceType": "Foo", "id": "m"}) == {(f"{place}.resourceType", "r4-resource-type")}


# --- lists of findings have an end --------------------------------------------------------------------------


def test_more_faults_than_a_reader_bears_are_not_listed_and_errors_come_first() -> None:
    bundle = message(FULL)
    condition = {**first(bundle, "Condition"), "clinicalStatus": {"coding": [{"code": "active"}]}}
    bundle["entry"] += [{"resource": condition} for _ in range(3 * MOST_ISSUES)]
    first(bundle, "Encounter")["status"] = "x"
    issues = issues_of(bundle)
    assert len(issues) == MOST_ISSUES + 1
    assert issues[0].rule == "r4-binding"
    assert (issues[-1].severity, issues[-1].rule) == (Severity.INFORMATION, "most-issues")


def test_a_message_of_nothing_but_faults_ends_as_soon() -> None:
    bundle = message(FULL)
    bundle["entry"] += [{"resource": {"resourceType": "Patient", "x": i, "name": []}} for i in range(2000)]
    issues = issues_of(bundle)
    assert len(issues) == MOST_ISSUES + 1
    assert all(issue.is_error for issue in issues[:-1])


# --- places -------------------------------------------------------------------------------------------------


def test_an_expression_leads_back_to_the_json() -> None:
    bundle = message(FULL)
    place = place_of(bundle, "ServiceRequest")
    path = ("entry", place, "resource", "occurrencePeriod", "end")
    expression = fhir_path(path)
    assert expression == f"Bundle.entry[{place}].resource.occurrence.end"
    assert json_path(bundle, expression) == path
    assert json_path(bundle, f"Bundle.entry[{place}].resource.note[0].text") == ("entry", place, "resource")
    assert json_path(bundle, "") is None
    assert json_path(bundle, "Bundle.entry.resource.ofType(Patient)") == ("entry",)


def test_an_expression_ends_before_a_name_that_fhir_does_not_have() -> None:
    assert fhir_path(("entry", 0, "resource", "John Smith", 0, "given")) == "Bundle.entry[0].resource"
    assert (
        fhir_path(("entry", 0, "resource", "_birthDate", "extension", 1))
        == "Bundle.entry[0].resource.birthDate.extension[1]"
    )


# --- the official examples ----------------------------------------------------------------------------------

OFFICIAL = sorted(
    path for name in ("requests", "responses") for path in (SHARED / "bars" / "examples" / name).glob("*.json")
)
WITHOUT_SYSTEM = {"refreq04", "refreq05"}
"""Their Condition.clinicalStatus has no system (V18)."""


@needs_shared
@pytest.mark.parametrize("path", OFFICIAL, ids=lambda path: path.stem[:10].strip("-"))
def test_every_official_message_is_well_formed(path: Any) -> None:
    issues = check_structure(path.read_bytes()).issues
    expected = {"V18"} if path.stem[:8] in WITHOUT_SYSTEM else set()
    assert {issue.rule for issue in issues} == expected
    assert not any(issue.is_error for issue in issues)


@needs_shared
def test_what_was_received_is_not_changed_by_its_check() -> None:
    raw = OFFICIAL[0].read_bytes() if OFFICIAL else b"{}"
    before = orjson.loads(raw)
    result = check_structure(raw)
    assert result.bundle == before
    assert copy.deepcopy(result.bundle) == before
