"""What was corrected here, in the CAD's or clinician's own records, and an update that would change the same.

What was received is never edited by us. But where the people here know better than the request, their system says so,
and no update overwrites that silently: it is refused as a whole, and both sides hear of it (CORE-UPD-05 to CORE-UPD-07,
reading X-14).
"""

from __future__ import annotations

from cad_bridge.fhir.content import ReceivedRequest
from cad_bridge.protocol.errors import CONFLICT, Refused
from cad_bridge.store.rows import StoredCase

CORRECTABLE = (
    "patient",
    "social_context",
    "contacts",
    "caller",
    "incident_location",
    "other_locations",
    "triage",
    "presenting_complaint",
    "presenting_complaint_code",
    "chief_concern",
    "acuity",
    "next_activity",
    "allergies",
    "medications",
    "requested_action",
    "scene_safety",
    "flags",
    "consent",
    "practitioner",
    "call_log",
    "crew_notes",
    "resource_requested",
    "actions",
)
"""Parts of the content of a received request that people here may know better. Times that deadlines hang on, and what
makes the case the case it is, are the sender's alone."""


def collisions(stored: StoredCase, content: ReceivedRequest) -> tuple[str, ...]:
    """The corrected parts that the content after an update would say something else about; in alphabetical order."""
    new = content.model_dump(mode="json", exclude_none=True)
    return tuple(sorted(part for part in stored.case.corrected if new.get(part) != stored.content.get(part)))


def refused_update(parts: tuple[str, ...]) -> Refused:
    """The answer to an update that collides: names of parts, and what the sender's user can do."""
    text = (
        f"The receiver has changed this in its own records since: {', '.join(parts)}. Nothing of the update was taken; "
        "settle with the receiver which is right, and send the update again."
    )
    return Refused.because(CONFLICT, text, expression="Bundle", rule="CORE-UPD-05")
