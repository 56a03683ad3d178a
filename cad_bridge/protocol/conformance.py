"""Profile and payload rules for a message whose kind follows from what it says it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cad_bridge.fhir.facts import Facts
from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.payload_view import Kind
from cad_bridge.fhir.profile import check_profile
from cad_bridge.protocol.definitions import (
    REQUEST_CANCELLED,
    RESPONSE,
    RESPONSE_FULL,
    RESPONSE_INTERIM,
    definition_for,
)


def check_message(bundle: Mapping[str, Any], facts: Facts, *, strict: bool) -> Sequence[Issue]:
    """Every finding of the profile and payload rules."""
    return check_profile(bundle, use_case=facts.use_case, kind=kind_of(facts), strict=strict)


def kind_of(facts: Facts) -> Kind:
    """Which element table a message is held against: by the definition that it cites, else by its event.

    A rejection is known by its cancelled Encounter, whoever's it is: a requester's own is never cancelled.
    """
    definition = definition_for(facts.definition)
    url, event = (definition.url, definition.event) if definition else (None, facts.event)
    if url == REQUEST_CANCELLED:
        return "cancellation"
    if url == RESPONSE_FULL:
        return "final"
    if event == RESPONSE:
        if any(encounter.status == "cancelled" for encounter in facts.encounters):
            return "rejection"
        return "interim" if url == RESPONSE_INTERIM else "status-response"
    return "update" if facts.reason == "update" else "request"
