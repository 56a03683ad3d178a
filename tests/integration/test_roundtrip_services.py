"""Local API to local API: what a CAD says reaches a responder that has nothing but the bytes, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from cad_bridge.fhir.content import (
    Outcome,
    OutcomeContent,
    ReceivedOutcome,
    ReceivedRequest,
    Request,
    RequestContent,
)
from tests.service import EOC
from tests.strategies import outcomes, requests
from tests.two_sites import ANSWERED_BY, TwoSites, two_sites

EXAMPLES = 5


def drawn(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """The same random examples on every run; hypothesis cannot drive a running service from inside its own loop."""
    found: list[Any] = []

    @seed(20261121)
    @settings(
        max_examples=3 * count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example: Any) -> None:
        found.append(example)

    collect()
    return found[-count:]  # the first ones are the plainest there are


def _addressed(content: Request) -> Request:
    """The same case between our two sites, with times that a CAD may still ask for."""
    now = datetime.now(UTC).replace(microsecond=0)
    return content.model_copy(
        update={
            "sender": EOC,
            "receiver": ANSWERED_BY[content.use_case],
            "case_number": f"{content.case_number} {uuid4().hex[:8]}",
            "clock_start": now - timedelta(minutes=4),
            "breach_at": now + timedelta(hours=1),
        }
    )


def shared(content: Any, shape: type[RequestContent | OutcomeContent]) -> dict[str, Any]:
    """The fields that sent and received content have in common."""
    return {name: getattr(content, name) for name in shape.model_fields}


@pytest.mark.req("APP4-VR-22", "HAZ-H06-03", "CORE-BND-13")
async def test_nothing_is_lost_between_two_local_apis(database_url: str, second_database_url: str) -> None:
    async with two_sites(database_url, second_database_url, strict=True) as sites:
        for content in drawn(requests(), EXAMPLES):
            await _goes_through(sites, _addressed(content))


async def _goes_through(sites: TwoSites, content: Request) -> None:
    opened = await sites.ast.api("POST", "/validation-requests", json=content.model_dump(mode="json"))
    assert opened.status_code == 201, opened.text
    asked, held = await sites.held(opened.json()["id"])
    received = ReceivedRequest.model_validate(held["content"])
    assert shared(received, RequestContent) == shared(content, RequestContent)
    assert held["journey_id"] == asked["journey_id"] == str(content.journey_id)
    assert held["remote_case_number"] == content.case_number


@pytest.mark.req("APP4-VS-25", "APP4-VS-26", "APP4-VS-29")
async def test_nothing_of_an_outcome_is_lost_on_its_way_back(database_url: str, second_database_url: str) -> None:
    async with two_sites(database_url, second_database_url, strict=True) as sites:
        for outcome in drawn(outcomes(), EXAMPLES):
            await _comes_back(sites, _allowed(outcome))


def _allowed(outcome: Outcome) -> Outcome:
    """An upgrade to C1 or C2 names the case that its ITK request made; the clock start follows from the T5 rule."""
    return outcome.model_copy(update={"new_cad_id": outcome.new_cad_id or "ITK-1", "clock_start": None})


async def _comes_back(sites: TwoSites, outcome: Outcome) -> None:
    asked, held = await sites.ask(case_number=f"TST-{uuid4().hex[:8]}")
    completed = await sites.answer(held, "complete", outcome.model_dump(mode="json", exclude_none=True))
    told = await sites.ast.event(asked["id"], "case.completed")
    received = ReceivedOutcome.model_validate((await sites.ast.case(asked["id"]))["outcome"])
    sent = Outcome.model_validate(completed["outcome"])
    unchanged = {name for name in ("incident_location", "scene_safety", "flags") if getattr(sent, name) is None}
    given = {name: value for name, value in shared(sent, OutcomeContent).items() if name not in unchanged}
    moved = given.get("incident_location")
    if moved is not None and moved.status is None:
        given["incident_location"] = moved.model_copy(update={"status": "provisional"})
    assert {name: getattr(received, name) for name in given} | {"flags": None} == given | {"flags": None}
    assert set(received.flags or ()) == set(given.get("flags") or ())
    assert told["data"]["dispatch_required"] is outcome.dispatch_required
