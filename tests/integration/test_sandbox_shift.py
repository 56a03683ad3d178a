"""The demo's shift against a stand-in for the local API that tells what the test wants told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from cad_bridge.sandbox.connections import LoopbackServer
from cad_bridge.sandbox.local_api import LocalApiError
from cad_bridge.sandbox.scenarios import STORY_MARKS
from cad_bridge.sandbox.shift import ShiftConfig, ShiftSummary, play_shift

Told = list[tuple[str, dict[str, Any]]]
STORIES = ("no-dispatch", "upgrade", "rejection", "breach", "out-of-area", "call-assist", "mutual-aid")


def _good(mark: str, body: dict[str, Any]) -> Told:
    """What a service that works tells about a case, up to its acknowledgement by a person."""
    opening: Told = [("case.created", {}), ("case.acknowledged", {"remote_case_number": "CAS-1"})]
    escalated = ("escalation.raised", {"escalation_id": f"esc-{mark}", "reason": "because"})
    due = {"clock_start": body["clock_start"], "dispatch_by": "2026-11-21T17:00:00Z"}
    rest: dict[str, Told] = {
        "ND": [("case.in_progress", {}), ("case.completed", {"dispatch_required": False, "arp": "C5"})],
        "UP": [
            ("case.in_progress", {}),
            ("case.completed", {"dispatch_required": True, "arp": "C2", "new_cad_id": "S1"} | due),
        ],
        "RJ": [escalated, ("case.returned", {"reason": "No answer"})],
        "BR": [
            escalated,
            (
                "failsafe.dispatch",
                {"arp": "C3", "breach_at": body.get("breach_at"), "fired_at": _later(body), "triage": {"dx": "x"}}
                | due,
            ),
        ],
        "OA": [*(("case.updated", {"update": "taken"}),) * 2, *_attended()],
        "CA": _attended(),
        "MA": [
            ("case.returned", {"reason": {"code": "RRNA"}}),
            ("escalation.raised", {"escalation_id": "esc-MA", "reason": "rejected"}),
        ],
    }
    return opening + rest[mark]


def _attended() -> Told:
    """What is told of a case that another ambulance service attends."""
    statuses = [("planned", True), ("in-progress", False), ("finished", False)]
    told: Told = [("case.status", {"status": status, "accepted": accepted}) for status, accepted in statuses]
    return [*told, ("case.completed", {"dispatch_required": False})]


def _later(body: dict[str, Any]) -> str | None:
    if body.get("breach_at") is None:
        return None
    return (datetime.fromisoformat(body["breach_at"]) + timedelta(milliseconds=5)).isoformat()


@dataclass
class LocalApiStandIn:
    """Answers requests and tells, of each case, what `tell` gives."""

    tell: Callable[[str, dict[str, Any]], Told] = _good
    events: list[dict[str, Any]] = field(default_factory=list)
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    updates: list[dict[str, Any]] = field(default_factory=list)
    acknowledged: list[tuple[str, str, str]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    refuse_events_with: int | None = None
    refuse_requests_with: int | None = None

    def add(self, case_id: str, kind: str, data: dict[str, Any]) -> None:
        self.events.append(
            {"cursor": str(len(self.events) + 1), "id": "e", "type": kind, "case": {"id": case_id}, "data": data}
        )

    def app(self) -> FastAPI:
        app = FastAPI()

        async def create(request: Request) -> Response:
            if self.refuse_requests_with:
                problem = {"title": "Refused", "detail": "contacts[0]: no telephone"}
                return JSONResponse(problem, status_code=self.refuse_requests_with)
            body = await request.json()
            self.keys.add(request.headers["authorization"])
            mark = body["case_number"].split("-")[2][:2]
            case_id = f"case-{mark}"
            self.bodies[mark] = body | {"path": request.url.path}
            for kind, data in self.tell(mark, body):
                self.add(case_id, kind, data)
            created = {"id": case_id, "state": "sending", "case_number": body["case_number"]}
            return JSONResponse(created, status_code=201)

        async def update(case_id: str, request: Request) -> Response:
            self.updates.append(await request.json())
            return JSONResponse({"id": case_id}, status_code=202)

        app.post("/api/v1/cases/{case_id}/update")(update)
        app.post("/api/v1/validation-requests")(create)
        app.post("/api/v1/referrals")(create)

        @app.get("/api/v1/events")
        async def events(after: int = 0, limit: int = 100) -> Response:
            if self.refuse_events_with and self.bodies:
                return JSONResponse({"title": "No"}, status_code=self.refuse_events_with)
            page = self.events[after : after + min(limit, 3)]
            return JSONResponse({"events": page, "next": str(after + len(page))})

        @app.post("/api/v1/cases/{case_id}/escalations/{escalation_id}/acknowledge")
        async def acknowledge(case_id: str, escalation_id: str, request: Request) -> Response:
            by = (await request.json())["by"]
            self.acknowledged.append((escalation_id, by, request.headers["authorization"]))
            self.add(case_id, "escalation.acknowledged", {"escalation_id": escalation_id, "by": by})
            return JSONResponse({})

        return app


@asynccontextmanager
async def _served(stand_in: LocalApiStandIn) -> AsyncIterator[ShiftConfig]:
    server = LoopbackServer(host="127.0.0.1", port=0)
    server.start(stand_in.app())
    try:
        yield ShiftConfig(
            base_url=server.url,
            cad_key="cad-key",
            dispatcher_key="dispatcher-key",
            breach_after=0.05,
            patience=0.1,
            poll_interval=0.01,
        )
    finally:
        await server.stop()


async def _play(stand_in: LocalApiStandIn, **changed: Any) -> ShiftSummary:
    async with _served(stand_in) as config:
        return await play_shift(replace(config, **changed))


async def test_passes_when_everything_is_told_as_it_should_be() -> None:
    stand_in = LocalApiStandIn()
    stand_in.add("someone-else", "case.created", {})
    heard: list[tuple[str, str, str]] = []
    async with _served(stand_in) as config:
        summary = await play_shift(
            replace(config, include_cad_to_cad=True, patience=0.5), lambda *told: heard.append(told)
        )
    assert [(result.story, result.reason) for result in summary.results] == [(story, None) for story in STORIES]
    assert summary.passed
    assert {told[0] for told in stand_in.acknowledged} == {"esc-BR", "esc-MA"}
    assert {told[1:] for told in stand_in.acknowledged} == {("Demo Dispatcher", "Bearer dispatcher-key")}
    assert stand_in.keys == {"Bearer cad-key"}
    assert ("upgrade", "case.completed", "new cad id S1") in heard
    assert {told[0] for told in heard if told[1] == "passed"} == {result.story for result in summary.results}


async def test_asks_in_the_terms_of_the_contract() -> None:
    stand_in = LocalApiStandIn()
    await _play(stand_in, include_cad_to_cad=True)
    assert {mark: body["path"].rpartition("/")[2] for mark, body in stand_in.bodies.items()} == {
        "ND": "validation-requests",
        "UP": "validation-requests",
        "RJ": "validation-requests",
        "BR": "validation-requests",
        "OA": "referrals",
        "CA": "referrals",
        "MA": "referrals",
    }
    assert stand_in.bodies["OA"]["receiver"] is None
    assert stand_in.bodies["OA"]["incident_location"]["latitude"] > 54.5
    assert stand_in.bodies["MA"]["receiver"].endswith("|2000000012")
    assert stand_in.bodies["MA"]["resource_requested"]["number"] == 1
    spans = {
        mark: datetime.fromisoformat(body["breach_at"]) - datetime.fromisoformat(body["clock_start"])
        for mark, body in stand_in.bodies.items()
        if "breach_at" in body
    }
    assert spans["BR"] < timedelta(minutes=5) < spans["ND"]


async def test_an_early_referral_is_told_more_of_in_stages() -> None:
    stand_in = LocalApiStandIn()
    await _play(stand_in, include_cad_to_cad=True, patience=0.5)
    first, *more = [stand_in.bodies["OA"], *stand_in.updates]
    assert set(first["triage"]) == {"pre_triage_sieve"}
    assert "patient" not in first
    assert first["incident_location"]["status"] == "provisional"
    assert [("patient" in body, "arp" in body["triage"]) for body in more] == [(True, False), (True, True)]
    assert {body["case_number"] for body in more} == {first["case_number"]}


def _without(kind: str) -> Callable[[str, dict[str, Any]], Told]:
    return lambda mark, body: [told for told in _good(mark, body) if told[0] != kind]


def _with(mark_meant: str, *more: tuple[str, dict[str, Any]]) -> Callable[[str, dict[str, Any]], Told]:
    return lambda mark, body: _good(mark, body) + (list(more) if mark == mark_meant else [])


def _changed(kind: str, **data: Any) -> Callable[[str, dict[str, Any]], Told]:
    return lambda mark, body: [(told, held | data if told == kind else held) for told, held in _good(mark, body)]


def _early(mark: str, body: dict[str, Any]) -> Told:
    return [
        (told, held | {"fired_at": body["clock_start"]} if told == "failsafe.dispatch" else held)
        for told, held in _good(mark, body)
    ]


def _turned(mark: str, body: dict[str, Any]) -> Told:
    told = _good(mark, body)
    return [*told[:2], *reversed(told[2:])] if mark == "ND" else told


@pytest.mark.parametrize(
    ("tell", "failing", "reason"),
    [
        (_without("failsafe.dispatch"), {"breach"}, "failsafe.dispatch did not come in time"),
        (_without("escalation.raised"), {"breach", "rejection"}, "escalation.raised did not come in time"),
        (_changed("case.acknowledged", remote_case_number=None), None, "case.acknowledged lacks remote_case_number"),
        (_changed("case.completed", arp="C3"), {"upgrade"}, "one came with another arp"),
        (_changed("case.completed", new_cad_id=""), {"upgrade"}, "lacks new_cad_id"),
        (_early, {"breach"}, "fired before the breach time"),
        (_turned, {"no-dispatch"}, "case.completed did not come in time"),
        (_with("ND", ("failsafe.dispatch", {})), {"no-dispatch"}, "failsafe.dispatch came, and must not"),
        (_with("BR", ("failsafe.dispatch", {})), {"breach"}, "failsafe.dispatch came 2 times"),
    ],
)
async def test_fails_the_stories_that_went_wrong(
    tell: Callable[[str, dict[str, Any]], Told], failing: set[str] | None, reason: str
) -> None:
    summary = await _play(LocalApiStandIn(tell=tell))
    failed = {result.story: result.reason or "" for result in summary.results if not result.passed}
    assert set(failed) == (failing or {result.story for result in summary.results})
    assert all(reason in told for told in failed.values())
    assert not summary.passed


async def test_a_refused_request_fails_its_story_with_the_problem() -> None:
    summary = await _play(LocalApiStandIn(refuse_requests_with=422))
    assert {result.reason for result in summary.results} == {
        "POST /validation-requests: 422 Refused - contacts[0]: no telephone"
    }
    assert [result.case_id for result in summary.results] == [None] * 4


@pytest.mark.parametrize("status", [401, 404])
async def test_an_event_list_that_breaks_for_good_fails_everybody_at_once(status: int) -> None:
    summary = await asyncio.wait_for(_play(LocalApiStandIn(refuse_events_with=status), patience=1000.0), timeout=10)
    assert {result.reason for result in summary.results} == {f"GET /events: {status} No"}


async def test_an_event_list_that_was_never_there_is_an_error() -> None:
    async with _served(LocalApiStandIn()) as config:
        with pytest.raises(LocalApiError, match="no answer"):
            await play_shift(replace(config, base_url="http://127.0.0.1:9"))


def test_every_story_has_a_mark_of_its_own() -> None:
    assert len(set(STORY_MARKS.values())) == len(STORY_MARKS)
