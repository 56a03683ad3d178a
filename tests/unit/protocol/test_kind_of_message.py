from __future__ import annotations

from typing import Any

import pytest

from cad_bridge.fhir.check import check_message, kind_of
from cad_bridge.fhir.facts import read_facts
from cad_bridge.protocol import definitions as d
from tests.unit.protocol.messages import encounter, facts, message


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "request"),
        ({"reason": "update"}, "update"),
        ({"definition": d.REQUEST_REFERRAL}, "request"),
        ({"reason": "update", "definition": d.REQUEST_CANCELLED}, "cancellation"),
        ({"event": d.RESPONSE, "definition": d.RESPONSE_INTERIM}, "interim"),
        ({"event": d.RESPONSE, "definition": d.RESPONSE_INTERIM, "encounters": (encounter("cancelled"),)}, "rejection"),
        ({"event": d.RESPONSE, "definition": d.RESPONSE_FULL, "encounters": (encounter("cancelled"),)}, "final"),
        ({"event": d.RESPONSE, "use_case": "a6t2", "definition": d.RESPONSE_SHORT}, "status-response"),
        (
            {
                "event": d.RESPONSE,
                "use_case": "a6t2",
                "definition": d.RESPONSE_SHORT,
                "encounters": (encounter("cancelled"),),
            },
            "rejection",
        ),
        ({"definition": None}, "request"),
        ({"definition": None, "sr_status": "revoked"}, "cancellation"),
        ({"event": d.RESPONSE, "definition": None}, "interim"),
        ({"event": d.RESPONSE, "use_case": "a3t1", "definition": None}, "status-response"),
    ],
)
def test_the_kind_follows_from_what_the_message_says(changes: dict[str, Any], kind: str) -> None:
    assert kind_of(facts(**changes)) == kind


def test_the_rules_of_the_kind_and_use_case_are_applied() -> None:
    """A validation request without the time of breach is refused; the same bundle as a cancellation is not."""
    request = message()
    cancellation = message(reason="update", sr_status="revoked", definition=d.REQUEST_CANCELLED)
    refused = [any(i.is_error for i in check_message(b, read_facts(b), strict=False)) for b in (request, cancellation)]
    assert refused == [True, False]
