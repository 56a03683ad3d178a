"""What a request keeps back although it is known, because telling it would disclose more than it says (PRSB-21)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cad_bridge.fhir.issues import Issue, Severity

if TYPE_CHECKING:
    from cad_bridge.fhir.content import Request


def tells_birth_sex(request: Request) -> bool:
    """Whether sex assigned at birth is sent: not beside a gender that differs, unless the patient agrees (PRSB-21)."""
    sex, gender = request.patient.birth_sex, request.patient.gender
    if sex is None:
        return False
    return gender in {None, "unknown", sex} or bool(request.birth_sex_consent)


def withheld(request: Request) -> tuple[Issue, ...]:
    """What is not sent, for the user who has to decide about it; without its value."""
    if request.patient.birth_sex is None or tells_birth_sex(request):
        return ()
    said = (
        "Sex assigned at birth was not sent, because it differs from the gender. "
        "If the patient agrees that both are told, send birth_sex_consent."
    )
    return (
        Issue(
            severity=Severity.WARNING,
            code="suppressed",
            expression="patient.birth_sex",
            diagnostics=said,
            rule="PRSB-21",
        ),
    )
