"""The element tables of the guide: what must be in a message of Applications 3, 4, 6 and in a cancellation.

The rows are plain tables (`payload_table_message`, `payload_table_case`, `payload_table_clinical`); the rule of each is
a requirement id. What is missing is a warning on receipt and an error where the service is strict, except what
`is_tolerated` names; what refuses a message in any case stands in `payload_refusals` (DESIGN decision 11).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache

from cad_bridge.fhir.elements import as_object
from cad_bridge.fhir.payload_check import RowCheck, row_checks
from cad_bridge.fhir.payload_rows import Row
from cad_bridge.fhir.payload_table_case import CASE_ROWS
from cad_bridge.fhir.payload_table_clinical import CLINICAL_ROWS
from cad_bridge.fhir.payload_table_message import MESSAGE_ROWS
from cad_bridge.fhir.payload_view import CAD_TO_CAD, MessageView, Node, subjects
from cad_bridge.fhir.retraction import is_retracted
from cad_bridge.fhir.schema_types import words
from cad_bridge.fhir.structure_findings import Finding, Weight

PAYLOADS: Mapping[str, str] = {
    "3": "Application 3 referral request",
    "V": "Application 4 validation request",
    "I": "Application 4 interim response or rejection",
    "F": "Application 4 final response",
    "6": "Application 6 referral request",
    "S": "Application 6 response",
    "R": "Application 6 rejection, beside S",
    "C": "cancellation, any application",
}
"""The element tables by the letters used in the rows."""

ROWS = (*MESSAGE_ROWS, *CASE_ROWS, *CLINICAL_ROWS)

_TOLERATED = frozenset(words("PAY-CP-14 PAY-SR-11 PAY-SR-15 PAY-SR-29 PAY-SR-37"))
"""An untriaged call has no plan yet (V20); of a category only the code counts (S10)."""
_TOLERATED_IN_CANCELLATION = frozenset(words("PAY-SR-01 PAY-SR-05 PAY-SR-18 PAY-SR-20 PAY-SR-30 PAY-SR-31"))
"""A cancellation needs an id or fullUrl, status, category and patient; the rest of the table is not meant (X-32)."""
_RETRACTIONS = frozenset(
    words("PAY-FLG-05 PAY-FSS-05 PAY-OBS-05 PAY-QSR-07 PAY-PRC-05 PAY-COM-05 PAY-CND-05 PAY-CND-06")
)
"""The tables fix a status and know of no way to take a statement back; an update that does is understood all the same:
refused whole, it would leave the receiver with what was withdrawn and without what is new."""
_CONTACTS = frozenset(f"PAY-PAT-{number:02}" for number in range(5, 13))
"""Application 6 is never refused for contacts (DESIGN decision 11)."""


_SHORT = words("MessageHeader ServiceRequest Patient Organization")
_ANSWER = _SHORT + words("Encounter Practitioner PractitionerRole HealthcareService")
_FULL = _ANSWER + words("CarePlan Location Observation Flag Consent MedicationStatement AllergyIntolerance")
_CAD_TO_CAD = _FULL + words("Questionnaire QuestionnaireResponse Condition Task Communication Procedure")

RESOURCE_TYPES: Mapping[str, frozenset[str]] = {
    "3": frozenset(_CAD_TO_CAD),
    "V": frozenset(_FULL),
    "I": frozenset(_ANSWER),
    "F": frozenset(_FULL),
    "6": frozenset(_CAD_TO_CAD),
    "S": frozenset(_ANSWER),
    "C": frozenset(_SHORT),
}
"""The resource types that the message definition of a payload names (PAY-BND-09)."""


def check_payload(view: MessageView) -> Iterator[Finding]:
    """What the element table of the message's payload demands and the message lacks."""
    yield from _unusual_types(view)
    for subject, check in checks_for(view.payload, with_ids=view.kind != "request").items():
        for node in subjects(view, subject):
            for row, (holder, element) in check.broken(node):
                if _is_issued_id(row) and _is_new(node, view):
                    continue
                tolerated = is_tolerated(row, view) or _takes_back(row, node, view)
                weight = Weight.NEVER if tolerated else Weight.IF_STRICT
                yield Finding(holder, element, row.rule, row.text, weight=weight, within=node)


def _unusual_types(view: MessageView) -> Iterator[Finding]:
    allowed = RESOURCE_TYPES.get(view.payload[:1])
    if allowed is None:
        return
    for resource_type, resources in view.by_type.items():
        if resource_type not in allowed:
            text = "The message definition does not name this type of resource; it is kept."
            for resource in resources:
                yield Finding(resource, "resourceType", "PAY-BND-09", text, weight=Weight.IF_STRICT, within=resource)


@cache
def rows_for(letters: str, *, with_ids: bool) -> Mapping[str, tuple[Row, ...]]:
    """The rows of the element tables that `letters` name, by subject.

    `with_ids` is False for a first request, whose resources have no ids yet: the receiver issues them.
    """
    found: dict[str, list[Row]] = defaultdict(list)
    for row in ROWS:
        if any(letter in row.payloads for letter in letters) and (with_ids or not _is_issued_id(row)):
            found[row.subject].append(row)
    return {subject: tuple(rows) for subject, rows in found.items()}


@cache
def checks_for(letters: str, *, with_ids: bool) -> Mapping[str, RowCheck]:
    """The rows of `rows_for`, compiled."""
    return row_checks(rows_for(letters, with_ids=with_ids))


def _is_issued_id(row: Row) -> bool:
    return row.path == "id" and row.subject != "Bundle"


def _is_new(node: Node, view: MessageView) -> bool:
    """Whether a resource may be one that an update adds, so that the receiver has issued no id for it yet.

    What the receiver holds already and has not changed is older than the message (CORE-BND-04).
    """
    if view.kind != "update" or node.get("resourceType") == "ServiceRequest":
        return False
    made, updated = (as_object(holder.get("meta")).get("lastUpdated") for holder in (view.bundle, node))
    return made is not None and made == updated


def _takes_back(row: Row, node: Node, view: MessageView) -> bool:
    return row.rule in _RETRACTIONS and view.kind in {"update", "final"} and is_retracted(node)


def is_tolerated(row: Row, view: MessageView) -> bool:
    """Whether a strict service accepts a message that breaks the row: treatment A in what is known of senders."""
    if view.payload == "C" and row.rule in _TOLERATED_IN_CANCELLATION:
        return True
    return row.rule in _TOLERATED or (view.use_case in CAD_TO_CAD and row.rule in _CONTACTS)
