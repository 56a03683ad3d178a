"""Whatever the local API accepts survives the message: content to bytes, and from the bytes alone back to content."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings

from cad_bridge.fhir.build_outcome import final_bundle
from cad_bridge.fhir.build_request import request_bundle
from cad_bridge.fhir.content import Outcome, OutcomeContent, Request, RequestContent
from cad_bridge.fhir.read_request import read_request
from cad_bridge.fhir.read_response import read_outcome
from tests.contents import envelope, own_encounter
from tests.strategies import outcomes, requests

SLOW_TO_DRAW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def shared(content: RequestContent | OutcomeContent, shape: type[RequestContent | OutcomeContent]) -> dict[str, Any]:
    """The fields that sent and received content have in common."""
    return {name: getattr(content, name) for name in shape.model_fields}


@pytest.mark.req("CORE-BND-13", "APP-COM-13", "APP-COM-43")
@SLOW_TO_DRAW
@given(content=requests())
def test_a_request_survives_the_message(content: Request) -> None:
    sent = request_bundle(content, envelope())

    received, _ = read_request(orjson.loads(sent))

    assert shared(received, RequestContent) == shared(content, RequestContent)


@pytest.mark.req("APP4-VS-25", "APP4-VS-26", "APP4-VS-29")
@SLOW_TO_DRAW
@given(request=requests(), outcome=outcomes())
def test_an_outcome_survives_the_message(request: Request, outcome: Outcome) -> None:
    asked = request_bundle(request, envelope())
    answer = final_bundle(
        asked,
        issued_ids={},
        encounter=own_encounter(),
        envelope=envelope(from_requester=False, bundle=2, message=2),
        outcome=outcome,
        interim_sent=True,
    )

    received, _ = read_outcome(orjson.loads(answer))

    moved = outcome.incident_location
    if moved and moved.status is None:
        moved = moved.model_copy(update={"status": "provisional"})
    expected = shared(outcome, OutcomeContent) | {
        "incident_location": moved or request.incident_location,
        "scene_safety": outcome.scene_safety or request.scene_safety,
    }
    held = received.flags or ()
    assert set(held) == set(request.flags if outcome.flags is None else outcome.flags)
    assert shared(received, OutcomeContent) | {"flags": None} == expected | {"flags": None}
