"""What the local API refuses: always problem details that name the path, kept for audit where a client sent it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.by_hand import BREACH_IN, NOWHERE, a_clock, by_hand, query, request_to_us, sweep
from tests.service import CAD_KEY, CLINICIAN_KEY, OTHER_KEY, Running, request_body

JSON = {"Content-Type": "application/json"}
LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


def _body(**changes: Any) -> bytes:
    return json.dumps(request_body(**changes)).encode()


def _nested(path: str, value: Any) -> bytes:
    body: dict[str, Any] = request_body()
    *parents, last = path.split(".")
    place: Any = body
    for name in parents:
        place = place[int(name)] if name.isdigit() else place[name]
    place[last] = value
    return json.dumps(body).encode()


BODIES: list[tuple[str, bytes, int, str, str]] = [
    ("broken", b'{"use_case": "a4t1",}', 422, "", "is no JSON from character"),
    ("not UTF-8", b'{"case_number": "\xff"}', 400, "", "is no JSON in UTF-8"),
    ("nested without end", b"[" * 100_000, 400, "", "nested without end"),
    ("no object", b"[]", 422, "", "valid dictionary"),
    ("a name twice", b'{"sender": "a|b", "sender": "c|d"}', 422, "", "more than once"),
    ("an unknown field", _body(colour="red"), 422, "colour", "Extra inputs"),
    ("an unknown field deep down", _nested("contacts.0.telecom.1.x", 1), 422, "contacts.0.telecom.1.x", "Extra inputs"),
    ("a time without a zone", _body(breach_at="2099-01-01T00:00:00"), 422, "breach_at", "timezone"),
    ("a number for a time", _body(breach_at=4_102_444_800), 422, "breach_at", "must be a text such as"),
    ("times exchanged", _body(clock_start=LATER), 422, "breach_at", "later than clock_start"),
]


async def test_bodies_that_cannot_be_taken(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        for name, body, status, path, message in BODIES:
            answer = await running.api("POST", "/validation-requests", content=body, headers=JSON)
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), name
            (error,) = answer.json()["errors"]
            assert (error["path"], message in error["message"]) == (path, True), name
        kept = query(database_url, "SELECT client, path, body FROM refused_calls ORDER BY at, body")
        assert {row[:2] for row in kept} == {("eoc-cad", "/api/v1/validation-requests")}
        assert sorted(bytes(row[2]) for row in kept) == sorted(body for _, body, *_ in BODIES)


async def test_a_stranger_hears_of_the_key_alone_and_leaves_nothing_behind(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        for body in (b"{", b"\xff", b"[]", _body(colour="red")):
            for key in ("nobody's", "x"):
                answer = await running.api("POST", "/validation-requests", key=key, content=body, headers=JSON)
                assert (answer.status_code, answer.json()["title"]) == (401, "A valid API key is needed")
                assert answer.headers["www-authenticate"] == "Bearer"
        assert query(database_url, "SELECT count(*) FROM refused_calls") == [(0,)]


async def test_a_body_that_is_not_called_json_is_told_so(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}):
            answer = await running.api("POST", "/validation-requests", content=_body(), headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (415, "application/problem+json")
            assert answer.json()["errors"] == [{"path": "header.content-type", "message": "must be application/json"}]


async def _numbers(running: Running, question: str) -> list[str]:
    answer = await running.api("GET", f"/cases?{question}")
    assert answer.status_code == 200, answer.text
    return sorted(case["case_number"] for case in answer.json()["cases"])


async def test_filters_that_are_empty_ask_for_nothing_and_misspelt_ones_are_refused(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        for number in ("YAS-1", "YAS-2"):
            await running.open_case(case_number=number)
        assert await _numbers(running, "state=&use_case=&side=&due_before=&q=") == ["YAS-1", "YAS-2"]
        assert await _numbers(running, "state=sent&use_case=a4t1&side=requester&q=yas-2") == ["YAS-2"]
        assert await _numbers(running, "state=breached") == []
        assert len((await running.api("GET", "/events?after=&limit=")).json()["events"]) == 2
        for place, question in (
            ("cases", "state=teleported"),
            ("cases", "use_case=a9t9"),
            ("cases", "side=both"),
            ("cases", "due_before=2099-01-01T00:00:00"),
            ("cases", "limit=0"),
            ("cases", "usecase=a4t1"),
            ("events", "after=x"),
            ("events", "limit=1001"),
            ("events", "since=1"),
            ("events/stream", "after=-1"),
        ):
            answer = await running.api("GET", f"/{place}?{question}")
            assert answer.status_code == 422, question
            assert answer.headers["content-type"] == "application/problem+json"
            assert [error["path"] for error in answer.json()["errors"]] == [f"query.{question.partition('=')[0]}"]


async def test_a_review_without_its_category_names_the_field(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        case = await running.open_case()
        answer = await running.api("POST", f"/cases/{case['id']}/review", json={"dispatch_required": True})
        assert answer.status_code == 422
        assert answer.json()["errors"] == [{"path": "arp", "message": "is needed where an ambulance is to go"}]
        fitting = await running.api("POST", f"/cases/{case['id']}/review", json={"dispatch_required": False})
        assert fitting.status_code == 409, "nothing waits for a review"


@pytest.mark.req("HAZ-H02-02")
async def test_an_escalation_is_acknowledged_by_a_named_person(database_url: str) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock) as running:
        case = await running.open_case()
        clock.advance(BREACH_IN + timedelta(minutes=1))
        await sweep(running)
        raised = {item["reason"]: item for item in (await running.case(case["id"]))["escalations"]}
        path = f"/cases/{case['id']}/escalations/{raised['breach']['id']}/acknowledge"
        for body in (None, {}, {"by": None}, {"by": " "}):
            answer = await running.api("POST", path, json=body)
            assert answer.status_code == 422, body
            assert [error["path"] for error in answer.json()["errors"]] == ["by" if body is not None else ""]
        assert (await running.api("POST", path, json={"by": "Dot Dispatcher"})).status_code == 200
        known = {item["reason"]: item for item in (await running.case(case["id"]))["escalations"]}
        assert known["breach"]["acknowledged_by"] == "Dot Dispatcher (eoc-cad)"


async def test_the_description_tells_problems_as_they_come(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        said = (await running.client.get(f"{running.url}/api/v1/openapi.json")).json()
        told = {
            (path, method, status): list(answer["content"])
            for path, methods in said["paths"].items()
            for method, operation in methods.items()
            for status, answer in operation["responses"].items()
            if status >= "400"
        }
        assert {status for _, _, status in told} >= {"401", "403", "404", "409", "422"}
        assert {tuple(media) for media in told.values()} == {("application/problem+json",)}


async def test_every_action_of_the_wrong_side_role_or_service_is_a_problem(database_url: str) -> None:
    async with by_hand(database_url, a_clock(), base_url=NOWHERE) as running:
        ours = await running.open_case()
        assert (await running.post_message(request_to_us())).status_code == 200
        (theirs,) = (await running.api("GET", "/cases?side=responder", key=CLINICIAN_KEY)).json()["cases"]
        calls = [
            (CAD_KEY, f"/cases/{theirs['id']}/accept", None, 404),
            (CLINICIAN_KEY, f"/cases/{ours['id']}/dispatch", None, 403),
            (OTHER_KEY, f"/cases/{theirs['id']}/complete", {}, 403),
            (CAD_KEY, f"/cases/{ours['id']}/accept", None, 409),
            (CAD_KEY, f"/cases/{ours['id']}/close", None, 409),
            (CAD_KEY, f"/cases/{ours['id']}/status", {"status": "in-progress"}, 409),
            (CAD_KEY, "/cases/nonsense/dispatch", None, 422),
        ]
        for key, path, body, status in calls:
            answer = (
                await running.api("POST", path, key=key, json=body)
                if body is not None
                else await running.api("POST", path, key=key)
            )
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), path
