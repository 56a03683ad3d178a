"""OperationOutcomes as the published failure tables write them."""

from __future__ import annotations

import uuid

from .identity import Json

HTTP_ERROR_CODES = "https://fhir.nhs.uk/CodeSystem/http-error-codes"
FHIR_JSON = "application/fhir+json"


def operation_outcome(*, status: int, code: str, issue: str, diagnostics: str) -> Json:
    """One error in the form of CORE-ERR-02 to CORE-ERR-05. `diagnostics` must hold no patient data."""
    return {
        "resourceType": "OperationOutcome",
        "id": str(uuid.uuid4()),
        "meta": {"profile": ["https://fhir.hl7.org.uk/StructureDefinition/UKCore-OperationOutcome"]},
        "issue": [
            {
                "severity": "error",
                "code": issue,
                "details": {
                    "coding": [{"system": HTTP_ERROR_CODES, "code": code, "display": f"{status} - {code}"}],
                },
                "diagnostics": diagnostics,
            }
        ],
    }


class RefusedError(Exception):
    """A request that is answered with an error; carries everything the answer needs."""

    def __init__(self, status: int, code: str, issue: str, diagnostics: str) -> None:
        super().__init__(f"{status} {code}/{issue}")
        self.status = status
        self.code = code
        self.issue = issue
        self.diagnostics = diagnostics

    def outcome(self) -> Json:
        """The OperationOutcome to answer with."""
        return operation_outcome(status=self.status, code=self.code, issue=self.issue, diagnostics=self.diagnostics)


def bad_request(issue: str, diagnostics: str) -> RefusedError:
    """400 REC_BAD_REQUEST."""
    return RefusedError(400, "REC_BAD_REQUEST", issue, diagnostics)


def not_found(diagnostics: str) -> RefusedError:
    """404 REC_NOT_FOUND / not-found."""
    return RefusedError(404, "REC_NOT_FOUND", "not-found", diagnostics)


def conflict(issue: str, diagnostics: str) -> RefusedError:
    """409 REC_CONFLICT, `duplicate` or `conflict`."""
    return RefusedError(409, "REC_CONFLICT", issue, diagnostics)


def unprocessable(diagnostics: str) -> RefusedError:
    """422 REC_UNPROCESSABLE_ENTITY / not-supported."""
    return RefusedError(422, "REC_UNPROCESSABLE_ENTITY", "not-supported", diagnostics)
