"""Every check of a received message in one call each: the bytes, and then what they say.

``check_structure(raw)`` first; if it refuses nothing, `read_facts` of its bundle and `check_message` of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cad_bridge.fhir.codes import DEFINITION_REQUEST_CANCELLED, DEFINITION_RESPONSE_FULL, EVENT_RESPONSE
from cad_bridge.fhir.facts import Facts, focus_encounter
from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.payload_view import VALIDATIONS, Kind
from cad_bridge.fhir.profile import check_profile
from cad_bridge.fhir.profile import warm_up as warm_up_profile
from cad_bridge.fhir.structure import warm_up as warm_up_structure
from cad_bridge.fhir.structure_invariants import Collected

_CANCELLED = frozenset({"revoked", "entered-in-error"})


def check_message(
    bundle: Mapping[str, Any], facts: Facts, *, strict: bool, collected: Collected | None = None
) -> list[Issue]:
    """`check_profile` of a message as the kind that its own facts say it is."""
    return check_profile(bundle, use_case=facts.use_case, kind=kind_of(facts), strict=strict, collected=collected)


def kind_of(facts: Facts) -> Kind:
    """Which element table a message is held against: by the definition that it cites, else by what it says of itself.

    An acknowledgement cannot be told from a request by its content; who awaits one names the kind himself.
    """
    if facts.definition == DEFINITION_REQUEST_CANCELLED:
        return "cancellation"
    if facts.event == EVENT_RESPONSE:
        return _kind_of_response(facts)
    if facts.sr_status in _CANCELLED:
        return "cancellation"
    return "update" if facts.reason == "update" else "request"


def warm_up() -> None:
    """Build everything that the first check would otherwise build: call it before the first message arrives."""
    warm_up_structure()
    warm_up_profile()


def _kind_of_response(facts: Facts) -> Kind:
    """A rejection is known by its cancelled Encounter: the one in focus, or any where none is."""
    if facts.definition == DEFINITION_RESPONSE_FULL:
        return "final"
    responder = focus_encounter(facts)
    if "cancelled" in ([responder.status] if responder else [encounter.status for encounter in facts.encounters]):
        return "rejection"
    return "interim" if facts.use_case in VALIDATIONS else "status-response"
