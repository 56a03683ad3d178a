"""What people do on the board, by name or not at all: acknowledge, dispatch, close, cancel, accept, start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from cad_bridge.clock import ManualClock
from cad_bridge.sandbox import plans
from tests.acceptance.board_visitor import USERS, visiting
from tests.by_hand import (
    RemoteCas,
    a_clock,
    by_hand,
    by_hand_with_proxy,
    messages_of,
    query,
    request_to_us,
    send_due,
    sweep,
)
from tests.service import CLINICIAN_KEY, Running


@pytest.fixture
def clock() -> ManualClock:
    return a_clock()


@pytest.fixture
async def running(database_url: str, clock: ManualClock) -> AsyncIterator[Running]:
    async with by_hand(database_url, clock, user=USERS) as service:
        yield service


async def breached(running: Running, clock: ManualClock) -> tuple[dict[str, Any], str]:
    """A case whose breach time has passed, and its escalation."""
    case = await running.open_case()
    clock.advance(timedelta(minutes=41))
    await sweep(running)
    found = await running.case(case["id"])
    escalation = next(item for item in found["escalations"] if item["reason"] == "breach")
    return found, escalation["id"]


async def received(running: Running) -> dict[str, Any]:
    assert (await running.post_message(request_to_us())).status_code == 200
    cases: list[dict[str, Any]] = (await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"]
    return cases[0]


# --- acknowledging ---------------------------------------------------------------------------------


async def test_an_escalation_is_acknowledged_by_name_and_time(running: Running, clock: ManualClock) -> None:
    case, escalation_id = await breached(running, clock)
    async with visiting(running, "dot") as dot:
        board = await dot.page("/board")
        card = board.one(id_=f"e-{escalation_id}")
        assert "Breach time passed" in card.text
        (button,) = card.find("button")
        form = board.one(id_=button.attributes["form"])
        assert {field.attributes["name"] for field in form.find("input")} == {"csrf", "back"}
        answer = await dot.post(button.attributes["formaction"], back="board")
        assert answer.headers["location"] == "/board?done=acknowledge"
        board = await dot.page(answer.headers["location"])
        assert board.find(id_=f"e-{escalation_id}") == []
        assert "acknowledged, with your name" in board.text
        settled = (await dot.page(f"/board/cases/{case['id']}")).one(id_="case-settled").text
        assert "Breach time passed" in settled
        assert "by Dot Person (dot)" in settled
    (kept,) = [item for item in (await running.case(case["id"]))["escalations"] if item["id"] == escalation_id]
    assert kept["acknowledged_by"] == "Dot Person (dot)"
    assert kept["acknowledged_at"] is not None


async def test_acknowledging_does_not_take_the_case_off_the_dispatch_list(running: Running, clock: ManualClock) -> None:
    case, escalation_id = await breached(running, clock)
    async with visiting(running, "dot") as dot:
        await dot.post(f"/board/cases/{case['id']}/escalations/{escalation_id}/acknowledge")
        listed = (await dot.page("/board")).one(id_="rows-dispatch")
        assert listed.find(id_=f"c-{case['id']}")


async def test_a_second_person_changes_nothing_of_who_was_first(running: Running, clock: ManualClock) -> None:
    case, escalation_id = await breached(running, clock)
    path = f"/board/cases/{case['id']}/escalations/{escalation_id}/acknowledge"
    async with visiting(running, "dot") as dot:
        await dot.post(path)
        assert (await dot.post(path, back="case")).headers["location"].endswith("?done=acknowledge")
    events = [event for event in await running.events(case["id"]) if event["type"] == "escalation.acknowledged"]
    assert len(events) == 1


async def test_an_auditor_looks_and_touches_nothing(running: Running, clock: ManualClock) -> None:
    case, escalation_id = await breached(running, clock)
    async with visiting(running, "audrey") as audrey:
        assert "Your role cannot acknowledge" in (await audrey.page("/board")).text
        answer = await audrey.post(f"/board/cases/{case['id']}/escalations/{escalation_id}/acknowledge")
        assert answer.status_code == 403
        assert (await audrey.post(f"/board/cases/{case['id']}/dispatch", state="breached")).status_code == 403
        page = await audrey.page(f"/board/cases/{case['id']}")
        assert page.one(id_="case-actions").find("form") == []
    assert (await running.case(case["id"]))["state"] == "breached"


@pytest.mark.parametrize("path", ["escalations/{escalation}/acknowledge", "dispatch", "close"])
@pytest.mark.parametrize("csrf", ["", "guess"])
async def test_nothing_is_done_for_another_site(running: Running, clock: ManualClock, path: str, csrf: str) -> None:
    case, escalation_id = await breached(running, clock)
    async with visiting(running, "dot") as dot:
        target = f"/board/cases/{case['id']}/{path.format(escalation=escalation_id)}"
        assert (await dot.post(target, csrf=csrf, state="breached")).status_code == 403
    after = await running.case(case["id"])
    assert (after["state"], after["version"]) == (case["state"], case["version"])


# --- the requester's side --------------------------------------------------------------------------


async def test_a_resource_going_ends_the_case_in_the_name_of_who_said_so(running: Running, clock: ManualClock) -> None:
    case, _ = await breached(running, clock)
    async with visiting(running, "dot") as dot:
        answer = await dot.post(f"/board/cases/{case['id']}/dispatch", state="breached")
        assert answer.headers["location"] == f"/board/cases/{case['id']}?done=dispatch"
        page = await dot.page(answer.headers["location"])
        assert page.one(id_="case-head").one("strong", cls="b-head__state-name").text == "Resource going"
        assert "Dot Person (dot)" in page.one(id_="case-story").text
    assert (await running.case(case["id"]))["state"] == "dispatched"


@pytest.mark.parametrize("action", ["dispatch", "close"])
async def test_a_case_that_has_moved_on_is_left_as_it_is(running: Running, clock: ManualClock, action: str) -> None:
    case, _ = await breached(running, clock)
    async with visiting(running, "dot") as dot:
        answer = await dot.post(f"/board/cases/{case['id']}/{action}", state="completed")
        assert answer.status_code == 409
        assert "Nothing was done: the case has changed since you looked at it." in answer.text
        assert "It is now: Breach time passed." in answer.text
    after = await running.case(case["id"])
    assert (after["state"], after["version"]) == ("breached", case["version"])


async def test_what_the_table_refuses_is_said_in_its_words(running: Running) -> None:
    case = await running.open_case()
    async with visiting(running, "dot") as dot:
        answer = await dot.post(f"/board/cases/{case['id']}/close", state="sent")
        assert answer.status_code == 409
        assert "The validation is open: cancel or dispatch first." in answer.text


async def test_a_cancellation_needs_a_reason_and_carries_it_as_typed(running: Running) -> None:
    case = await running.open_case()
    path = f"/board/cases/{case['id']}/cancel"
    async with visiting(running, "dot") as dot:
        for reason in ("", "  \r\n "):
            answer = await dot.post(path, state="sent", reason=reason)
            assert answer.status_code == 422
            assert "Write the reason" in answer.text
        answer = await dot.post(path, state="sent", reason="x" * 4001)
        assert "it must not be cut" in answer.text
        assert "x" * 4001 in answer.text
        answer = await dot.post(path, state="sent", reason="Patient rang back:\r\nfeels better", mistaken="")
        assert answer.status_code == 303
    cancelled = await running.event(case["id"], "case.cancelled")
    assert cancelled["data"] == {"reason": "Patient rang back:\nfeels better", "by": "Dot Person (dot)"}


@pytest.mark.req("CORE-CAN-11")
async def test_a_cancellation_that_is_taken_is_told(database_url: str, clock: ManualClock) -> None:
    async with by_hand_with_proxy(database_url, clock, plan=plans.silent(), user=USERS) as running:
        case = await running.open_case()
        await send_due(running)
        async with visiting(running, "dot") as dot:
            await dot.post(f"/board/cases/{case['id']}/cancel", state="pending", reason="Not needed")
            await send_due(running)
            page = await dot.page(f"/board/cases/{case['id']}")
            assert page.one(cls="b-head__state-name").text == "Cancelled by us"
            assert "Remote CAS has taken our cancellation" in page.one(id_="case-story").text
            assert page.find(cls="b-escalation") == []


@pytest.mark.req("CORE-CAN-11", "APP-COM-24")
async def test_a_cancellation_that_is_not_taken_is_told(running: Running, database_url: str) -> None:
    case = await running.open_case()
    await RemoteCas.of(running, case["id"])
    async with visiting(running, "dot") as dot:
        # The request has been on its way, so that its cancellation has to follow it.
        query(database_url, "UPDATE outbox SET attempts = 1, state = 'delivered'")
        await dot.post(f"/board/cases/{case['id']}/cancel", state="sent", reason="Not needed")
        query(database_url, "UPDATE outbox SET attempts = 11 WHERE kind = 'cancellation'")
        await send_due(running)
        page = await dot.page(f"/board/cases/{case['id']}")
        assert "Our cancellation was not taken" in page.one(id_="escalations").text
        assert "phone them" in page.one(id_="escalations").text
        assert "Cancellation could not be delivered to Remote CAS" in page.one(id_="case-story").text
        assert "not taken" in page.one(id_="case-messages").text


# --- the responder's side --------------------------------------------------------------------------


async def test_a_clinician_accepts_starts_and_sends_back(running: Running) -> None:
    case = await received(running)
    async with visiting(running, "claire") as claire:
        path = f"/board/cases/{case['id']}"
        assert (await claire.post(f"{path}/accept", state="received")).status_code == 303
        page = await claire.page(path)
        assert "with Claire Person (claire)" in page.one(id_="case-head").text
        assert (await claire.post(f"{path}/start", state="accepted")).status_code == 303
        for fields in ({"reason": "x"}, {"code": "NO", "reason": "x"}, {"code": "FC", "reason": " "}):
            assert (await claire.post(f"{path}/reject", state="in_progress", **fields)).status_code == 422
        answer = await claire.post(f"{path}/reject", state="in_progress", code="FC", reason="Nobody answers")
        assert answer.status_code == 303
    after = await running.case(case["id"], key=CLINICIAN_KEY)
    assert after["state"] == "rejected"
    sent = {message["kind"]: message["body"] for message in await messages_of(running, case["id"], key=CLINICIAN_KEY)}
    assert b"Claire Person" in sent["interim"]
    assert b"Nobody answers" in sent["rejection"]


async def test_a_case_that_a_colleague_has_is_taken_over_knowingly_or_not_at_all(running: Running) -> None:
    case = await received(running)
    path = f"/board/cases/{case['id']}"
    async with visiting(running, "claire") as claire, visiting(running, "clive") as clive:
        await claire.post(f"{path}/accept", state="received")
        page = await clive.page(path)
        assert "I take it over from Claire Person (claire), who has it" in page.one(id_="action-start").text
        answer = await clive.post(f"{path}/start", state="accepted")
        assert answer.status_code == 409
        assert "Claire Person (claire) has the case" in answer.text
        assert (await clive.post(f"{path}/start", state="accepted", take_over="yes")).status_code == 303
    assert (await running.case(case["id"], key=CLINICIAN_KEY))["claimed_by"] == "Clive Person (clive)"


async def test_an_action_of_the_other_side_is_not_there(running: Running) -> None:
    requested, incoming = await running.open_case(), await received(running)
    async with visiting(running, "dot") as dot, visiting(running, "claire") as claire:
        assert (await dot.post(f"/board/cases/{incoming['id']}/dispatch", state="received")).status_code == 404
        assert (await dot.post(f"/board/cases/{incoming['id']}/accept", state="received")).status_code == 403
        assert (await dot.post(f"/board/cases/{requested['id']}/made-up", state="sent")).status_code == 404
        assert (await claire.post(f"/board/cases/{requested['id']}/accept", state="sent")).status_code == 404


# --- what the board says about the service itself --------------------------------------------------


async def test_a_late_failsafe_is_said_in_red(running: Running, clock: ManualClock) -> None:
    await sweep(running)
    async with visiting(running, "dot") as dot:
        clock.advance(timedelta(seconds=6))
        status = (await dot.page("/board")).one(id_="status")
        assert "The failsafe is not working: the failsafe sweep is late." in status.one(cls="b-band--danger").text


async def test_messages_that_do_not_arrive_are_listed(running: Running) -> None:
    case = await running.open_case()
    await send_due(running)
    async with visiting(running, "dot") as dot, visiting(running, "claire") as claire:
        band = (await dot.page("/board")).one(id_="status").text
        assert "1 message has not been delivered" in band
        assert f"{case['case_number']} : Request to Remote CAS, tried 1\N{MULTIPLICATION SIGN}" in band
        assert case["case_number"] not in (await claire.page("/board")).text
        page = await dot.page(f"/board/cases/{case['id']}")
        assert "not arrived yet, tried again" in page.one(id_="case-messages").text


async def test_notifications_that_fail_are_said(running: Running, database_url: str) -> None:
    answer = await running.api("POST", "/subscriptions", json={"url": "http://127.0.0.1:9/hook"})
    assert answer.status_code == 201
    query(database_url, "UPDATE subscriptions SET failures = 3")
    async with visiting(running, "dot") as dot, visiting(running, "claire") as claire:
        assert "notifications to eoc-cad are failing" in (await dot.page("/board")).one(id_="status").text
        assert "eoc-cad" not in (await claire.page("/board")).text


async def test_an_empty_board_says_that_nothing_waits(running: Running) -> None:
    async with visiting(running, "dot") as dot:
        text = (await dot.page("/board")).text
        assert "No escalation is open." in text
        assert "Nothing is out with other services." in text
        assert "Nothing has come in from other services." in text
