from __future__ import annotations

import json
from uuid import UUID

import pytest

from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.protocol import errors
from cad_bridge.protocol.errors import CATALOGUE, Fault, Refused, operation_outcome
from tests.shared_material import SHARED, needs_shared

OUTCOME_ID = UUID("11111111-2222-4333-8444-555555555555")
FHIR_ISSUE_TYPES = {
    "invalid", "structure", "required", "value", "invariant", "security", "login", "unknown", "expired", "forbidden",
    "suppressed", "processing", "not-supported", "duplicate", "multiple-matches", "not-found", "deleted", "too-long",
    "code-invalid", "extension", "too-costly", "business-rule", "conflict", "transient", "lock-error", "no-store",
    "exception", "timeout", "incomplete", "throttled", "informational",
}  # fmt: skip


def issue(text: str = "a rule is broken", *, severity: Severity = Severity.ERROR, at: str = "Bundle.type") -> Issue:
    return Issue(severity=severity, code="invariant", expression=at, diagnostics=text, rule="CORE-BND-01")


@pytest.mark.req("CORE-ERR-02", "CORE-ERR-03", "CORE-ERR-04")
@pytest.mark.parametrize("fault", CATALOGUE.values(), ids=CATALOGUE)
def test_an_operation_outcome_has_every_part_that_the_guide_asks_for(fault: Fault) -> None:
    outcome = operation_outcome(fault, ods_code="RX8", outcome_id=OUTCOME_ID)
    assert outcome == {
        "resourceType": "OperationOutcome",
        "id": "11111111-2222-4333-8444-555555555555",
        "meta": {"profile": ["https://fhir.hl7.org.uk/StructureDefinition/UKCore-OperationOutcome"]},
        "issue": [
            {
                "severity": "error",
                "code": fault.issue_code,
                "details": {
                    "coding": [
                        {
                            "system": "https://fhir.nhs.uk/CodeSystem/http-error-codes",
                            "code": fault.code,
                            "display": f"{fault.http_status} - {fault.code}",
                        }
                    ]
                },
                "diagnostics": f"RX8: {fault.meaning}",
            }
        ],
    }


@pytest.mark.req("CORE-ERR-06")
@pytest.mark.parametrize("fault", CATALOGUE.values(), ids=CATALOGUE)
def test_a_receiver_speaks_with_rec_codes_and_fhir_issue_types_only(fault: Fault) -> None:
    assert fault.code.startswith("REC_")
    assert fault.issue_code in FHIR_ISSUE_TYPES


@pytest.mark.req("CORE-TI-22")
def test_only_a_duplicate_has_the_pair_that_proves_delivery() -> None:
    pairs = [name for name, f in CATALOGUE.items() if (f.code, f.issue_code) == ("REC_CONFLICT", "duplicate")]
    assert pairs == ["DUPLICATE"]


@pytest.mark.req("CORE-TI-22")
def test_no_issue_can_turn_another_conflict_into_a_duplicate() -> None:
    sneaky = Issue(severity=Severity.ERROR, code="duplicate", expression="", diagnostics="twice", rule="x")
    outcome = operation_outcome(errors.CONFLICT, ods_code="RX8", outcome_id=OUTCOME_ID, issues=[sneaky])
    assert outcome["issue"][0]["code"] == "conflict"


TRIPLES = {
    "REQUIRED": (400, "REC_BAD_REQUEST", "required"),
    "INVALID": (400, "REC_BAD_REQUEST", "invalid"),
    "VALUE": (400, "REC_BAD_REQUEST", "value"),
    "STRUCTURE": (400, "REC_BAD_REQUEST", "structure"),
    "INVARIANT": (400, "REC_BAD_REQUEST", "invariant"),
    "UNSUPPORTED_FUNCTION": (400, "REC_BAD_REQUEST", "not-supported"),
    "UNAUTHORIZED": (401, "REC_UNAUTHORIZED", "security"),
    "FORBIDDEN": (403, "REC_FORBIDDEN", "forbidden"),
    "NOT_FOUND": (404, "REC_NOT_FOUND", "not-found"),
    "METHOD_NOT_ALLOWED": (405, "REC_METHOD_NOT_ALLOWED", "not-supported"),
    "NOT_ACCEPTABLE": (406, "REC_NOT_ACCEPTABLE", "processing"),
    "TIMEOUT": (408, "REC_TIMEOUT", "timeout"),
    "DUPLICATE": (409, "REC_CONFLICT", "duplicate"),
    "CONFLICT": (409, "REC_CONFLICT", "conflict"),
    "UNSUPPORTED_MEDIA_TYPE": (415, "REC_UNSUPPORTED_MEDIA_TYPE", "not-supported"),
    "NOT_SUPPORTED": (422, "REC_UNPROCESSABLE_ENTITY", "not-supported"),
    "TOO_COSTLY": (422, "REC_UNPROCESSABLE_ENTITY", "too-costly"),
    "TOO_EARLY": (425, "REC_TOO_EARLY", "duplicate"),
    "TOO_MANY_REQUESTS": (429, "REC_TOO_MANY_REQUESTS", "throttled"),
    "SERVER_ERROR": (500, "REC_SERVER_ERROR", "exception"),
    "NO_STORE": (500, "REC_SERVER_ERROR", "no-store"),
    "NOT_IMPLEMENTED": (501, "REC_NOT_IMPLEMENTED", "not-supported"),
    "UNAVAILABLE": (503, "REC_UNAVAILABLE", "transient"),
}


def test_the_catalogue_gives_each_error_its_triple() -> None:
    assert {name: (f.http_status, f.code, f.issue_code) for name, f in CATALOGUE.items()} == TRIPLES


@pytest.mark.req("CORE-ERR-08", "CORE-ERR-11")
def test_every_finding_is_an_issue_of_its_own_with_its_place() -> None:
    findings = [issue("no type"), issue("no version", at="Bundle.meta.versionId")]
    outcome = operation_outcome(errors.INVARIANT, ods_code="RX8", outcome_id=OUTCOME_ID, issues=findings)
    said = [(i["diagnostics"], i["expression"]) for i in outcome["issue"]]
    assert said == [("RX8: no type", ["Bundle.type"]), ("RX8: no version", ["Bundle.meta.versionId"])]


@pytest.mark.req("CORE-ERR-12")
def test_two_causes_of_the_same_code_are_told_apart() -> None:
    told = [
        operation_outcome(errors.NOT_FOUND, ods_code="RX8", outcome_id=OUTCOME_ID, diagnostics=text)["issue"][0]
        for text in ("no such service", "no such case")
    ]
    assert told[0]["diagnostics"] != told[1]["diagnostics"]


@pytest.mark.req("CORE-ERR-05")
def test_warnings_are_not_told_to_the_sender_of_a_refused_message() -> None:
    findings = [issue("tolerated", severity=Severity.WARNING), issue("refused")]
    outcome = operation_outcome(errors.INVARIANT, ods_code="RX8", outcome_id=OUTCOME_ID, issues=findings)
    assert [i["diagnostics"] for i in outcome["issue"]] == ["RX8: refused"]


def test_a_hostile_number_of_findings_is_cut_and_counted() -> None:
    findings = [issue(f"finding {n}") for n in range(errors.MAX_ISSUES + 50)]
    outcome = operation_outcome(errors.INVARIANT, ods_code="RX8", outcome_id=OUTCOME_ID, issues=findings)
    assert len(outcome["issue"]) == errors.MAX_ISSUES
    assert outcome["issue"][-1]["diagnostics"] == "RX8: 51 more findings are not listed."


def test_a_refusal_for_one_reason_takes_the_issue_code_of_its_fault() -> None:
    refused = Refused.because(errors.NOT_FOUND, "not here", expression="http.id", rule="CORE-ERR-SR-04")
    assert [(i.code, i.expression, i.is_error) for i in refused.issues] == [("not-found", "http.id", True)]


@needs_shared
def test_every_code_is_in_the_published_code_system() -> None:
    """429 and 425 have no REC_ code there; the guide's text names them (CORE-TI-13, CORE-TI-23)."""
    path = SHARED / "bars/conformance/codesystem/england-http-error-codes.json"
    published = {concept["code"] for concept in json.loads(path.read_text())["concept"]}
    unpublished = {f.code for f in CATALOGUE.values()} - published
    assert unpublished == {"REC_TOO_MANY_REQUESTS", "REC_TOO_EARLY"}


@needs_shared
def test_every_published_receiver_example_has_its_entry_in_the_catalogue() -> None:
    """Readings apart: X-18 names 503 otherwise, X-20 takes security for 401, X-56 takes one code for 500."""
    ours = {(str(f.http_status), f.code.lower().replace("_", "-"), f.issue_code) for f in CATALOGUE.values()}
    other_readings = {
        ("401", "rec-unauthorized", "forbidden"),
        ("403", "rec-forbidden", "security"),
        ("500", "rec-server-error", "too-costly"),
        ("500", "rec-server-error", "transient"),
        ("503", "rec-service-unavailable", "transient"),
    }
    folder = SHARED / "bars/examples/openapi/operation-outcome/rec"
    published = set()
    for path in folder.glob("*.json"):
        status, rest = path.stem.split("-", 1)
        code = json.loads(path.read_text())["issue"][0]["details"]["coding"][0]["code"].lower().replace("_", "-")
        published.add((status, code, rest.removeprefix(code + "-")))
    assert published - ours == other_readings
