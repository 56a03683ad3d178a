"""Repeats of a message: done, still in work, timed out, failed, never processed (DESIGN decision 12)."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from cad_bridge.engine.verdicts import AnswerWindow, Reply
from cad_bridge.web.bars import _within_time
from tests.by_hand import (
    RemoteCas,
    a_clock,
    by_hand,
    cursor_row_held,
    held,
    query,
    request_to_us,
    terminate_waiting,
    types_of,
    waiting_for_a_lock,
)
from tests.service import CLINICIAN_KEY, Running, request_body, until

FAIL_NEW_CASES = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
CREATE TRIGGER fail BEFORE INSERT ON cases FOR EACH ROW EXECUTE FUNCTION fail();
"""


def ids(**changes: str) -> dict[str, str]:
    """Both ids, new ones."""
    return {"X-Request-Id": str(uuid4()), "X-Correlation-Id": str(uuid4())} | changes


def code_of(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, BaRS code and issue code of an error."""
    issue = answer.json()["issue"][0]
    return answer.status_code, issue["details"]["coding"][0]["code"], issue["code"]


DUPLICATE = (409, "REC_CONFLICT", "duplicate")
TOO_EARLY = (425, "REC_TOO_EARLY", "duplicate")
TIMEOUT = (408, "REC_TIMEOUT", "timeout")


def hurry(running: Running, seconds: float) -> None:
    """Answer 408 after so long."""
    state = running.service.app.state
    state.context = replace(state.context, answer_within=seconds)


async def cases_at_our_cas(running: Running) -> list[dict[str, Any]]:
    """What our CAS holds."""
    found: list[dict[str, Any]] = (await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"]
    return found


@pytest.mark.req("CORE-TI-21", "HAZ-H01-03")
async def test_after_success_every_repeat_is_a_duplicate_and_changes_nothing(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        message, given = request_to_us(), ids()
        assert (await running.post_message(message, headers=given)).status_code == 200
        shouting = {name: value.upper() for name, value in given.items()}
        for headers in (given, shouting):
            answer = await running.post_message(message, headers=headers)
            assert code_of(answer) == DUPLICATE
            assert {name: answer.headers[name] for name in headers} == headers
        (case,) = await cases_at_our_cas(running)
        assert await types_of(running, case["id"], key=CLINICIAN_KEY) == ["case.created"]
        kept = query(database_url, "SELECT status, case_id IS NULL FROM messages ORDER BY at, status")
        assert sorted(kept) == [(200, False), (409, True), (409, True)]


@pytest.mark.req("CORE-TI-29", "HAZ-H01-04")
async def test_the_same_bundle_id_under_a_new_request_id_is_a_new_message(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        first, second = request_to_us(), request_to_us()
        second["id"] = first["id"]
        for message in (first, second):
            assert (await running.post_message(message, headers=ids())).status_code == 200
        assert len(await cases_at_our_cas(running)) == 2


@pytest.mark.req("CORE-TI-31")
async def test_another_node_knows_the_duplicate_too(database_url: str) -> None:
    clock, message, given = a_clock(), request_to_us(), ids()
    async with by_hand(database_url, clock) as first:
        assert (await first.post_message(message, headers=given)).status_code == 200
    async with by_hand(database_url, clock) as second:
        assert code_of(await second.post_message(message, headers=given)) == DUPLICATE


@pytest.mark.req("CORE-TI-23")
async def test_a_repeat_gets_425_at_once_while_the_first_is_in_work(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        message, given = request_to_us(), ids()
        async with cursor_row_held(database_url):
            first = asyncio.create_task(running.post_message(message, headers=given))
            await waiting_for_a_lock(database_url)
            for _ in range(2):
                assert code_of(await running.post_message(message, headers=given)) == TOO_EARLY
            assert not first.done()
        assert (await first).status_code == 200
        assert code_of(await running.post_message(message, headers=given)) == DUPLICATE
        assert len(await cases_at_our_cas(running)) == 1


@pytest.mark.req("CORE-TI-20", "HAZ-H01-03")
async def test_a_dead_worker_frees_the_id_and_the_repeat_is_processed(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        message, given = request_to_us(), ids()
        async with cursor_row_held(database_url):
            first = asyncio.create_task(running.post_message(message, headers=given))
            await waiting_for_a_lock(database_url)
            terminate_waiting(database_url)
            assert (await first).status_code >= 500
        assert await cases_at_our_cas(running) == []
        assert (await running.post_message(message, headers=given)).status_code == 200
        bodies = query(database_url, "SELECT body FROM messages WHERE direction = 'in'")
        assert [json.loads(bytes(row[0])) for row in bodies] == [message, message], "the bytes of both tries are kept"


@pytest.mark.req("CORE-TI-25", "CORE-TI-27")
async def test_work_that_ends_after_the_408_is_confirmed_to_the_repeat(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        hurry(running, 0.1)
        case = await running.open_case()
        cas = await RemoteCas.of(running, case["id"])
        final, request_id = cas.final(), str(uuid4())
        async with held(database_url, "SELECT FROM cases FOR UPDATE"):
            assert code_of(await cas.post(final, request_id=request_id)) == TIMEOUT
            await waiting_for_a_lock(database_url)
            hurry(running, 5)
            assert code_of(await cas.post(final, request_id=request_id)) == TOO_EARLY
        await running.state(case["id"], "completed")

        async def confirmed() -> bool:
            return code_of(await cas.post(final, request_id=request_id)) == DUPLICATE

        await until(confirmed, "409 duplicate")
        assert (await types_of(running, case["id"])).count("case.completed") == 1


async def test_a_commit_that_has_begun_is_waited_for_whatever_the_time(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        receiver, window, commit_ends = running.service.app.state.receiver, AnswerWindow(), asyncio.Event()

        async def committing() -> Reply:
            window.committing = True
            await commit_ends.wait()
            return Reply(status=200, body=b"")

        answer = asyncio.create_task(_within_time(receiver, committing(), window, seconds=0.001))
        await running.client.get(f"{running.url}/health/live")
        assert not answer.done(), "a time-out is decided before the commit or not at all"
        commit_ends.set()
        assert (await answer).status == 200
        assert not window.expired


@pytest.mark.req("CORE-TI-26")
async def test_a_refusal_reached_after_the_408_is_what_the_repeat_gets(database_url: str) -> None:
    """A second `new` of a request that is held contradicts it: 409 conflict, never duplicate."""
    async with by_hand(database_url, a_clock()) as running:
        message, given = request_to_us(), ids()
        assert (await running.post_message(message, headers=given)).status_code == 200
        hurry(running, 0.1)
        again = given | {"X-Request-Id": str(uuid4())}
        async with held(database_url, "SELECT FROM cases FOR UPDATE"):
            assert code_of(await running.post_message(message, headers=again)) == TIMEOUT
            await waiting_for_a_lock(database_url)
        hurry(running, 5)

        async def inherited() -> bool:
            return code_of(await running.post_message(message, headers=again)) == (409, "REC_CONFLICT", "conflict")

        await until(inherited, "the refusal")
        assert len(await cases_at_our_cas(running)) == 1
        receipt = query(
            database_url, "SELECT status, inherited FROM receipts WHERE request_id = %s", again["X-Request-Id"]
        )
        assert receipt == [(409, True)]


async def test_a_failure_after_the_408_frees_the_id(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        hurry(running, 0.1)
        case = await running.open_case()
        cas = await RemoteCas.of(running, case["id"])
        final, request_id = cas.final(), str(uuid4())
        async with held(database_url, "SELECT FROM cases FOR UPDATE"):
            assert code_of(await cas.post(final, request_id=request_id)) == TIMEOUT
            await waiting_for_a_lock(database_url)
            terminate_waiting(database_url)
            await until(lambda: _free(database_url, request_id), "the lock on the id to be free")
        hurry(running, 5)
        assert (await cas.post(final, request_id=request_id)).status_code == 200
        assert (await running.case(case["id"]))["state"] == "completed"


async def _free(database_url: str, request_id: str) -> bool:
    free = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"
    return bool(query(database_url, free, request_id)[0][0])


@pytest.mark.req("CORE-TI-25")
async def test_a_store_without_room_is_a_408_too_and_the_work_goes_on(database_url: str) -> None:
    """Not even the bytes can be kept in time: the sender is told to wait all the same, and nothing is lost."""
    async with by_hand(database_url, a_clock()) as running, AsyncExitStack() as stack:
        hurry(running, 0.1)
        database = running.service.engine.database
        for _ in range(30):
            await stack.enter_async_context(database.connect())
        message, given = request_to_us(), ids()
        assert code_of(await running.post_message(message, headers=given)) == TIMEOUT
        await stack.aclose()
        hurry(running, 5)

        async def confirmed() -> bool:
            return code_of(await running.post_message(message, headers=given)) == DUPLICATE

        await until(confirmed, "409 duplicate")
        assert len(await cases_at_our_cas(running)) == 1


@pytest.mark.req("CORE-TI-28")
async def test_a_refusal_in_time_uses_up_no_id(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        message, given = request_to_us(), ids()
        broken = message | {"entry": message["entry"][:-1]}
        for _ in range(2):
            answer = await running.post_message(broken, headers=given)
            assert 400 <= answer.status_code < 409
        assert (await running.post_message(message, headers=given)).status_code == 200
        assert query(database_url, "SELECT count(*) FROM receipts") == [(1,)]


@pytest.mark.req("CORE-SYNC-06")
async def test_a_failure_of_ours_is_500_keeps_the_bytes_and_frees_the_id(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        message, given = request_to_us(), ids()
        query(database_url, FAIL_NEW_CASES)
        answer = await running.post_message(message, headers=given)
        assert code_of(answer) == (500, "REC_SERVER_ERROR", "exception")
        ((body, status, case_id),) = query(database_url, "SELECT body, status, case_id FROM messages")
        assert (json.loads(bytes(body)), status, case_id) == (message, 500, None)
        query(database_url, "DROP TRIGGER fail ON cases")
        assert (await running.post_message(message, headers=given)).status_code == 200


async def test_repeats_from_many_connections_at_once_make_one_case(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        message, given = request_to_us(), ids()
        answers = await asyncio.gather(*(running.post_message(message, headers=given) for _ in range(8)))
        codes = [answer.status_code for answer in answers]
        assert codes.count(200) == 1
        assert set(codes) <= {200, 409, 425}
        assert {code_of(answer) for answer in answers if answer.status_code != 200} <= {DUPLICATE, TOO_EARLY}
        assert len(await cases_at_our_cas(running)) == 1


async def test_an_idempotency_key_makes_one_case_however_many_calls_come_at_once(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        body, headers = request_body(), {"Idempotency-Key": str(uuid4())}
        answers = await asyncio.gather(
            *(running.api("POST", "/validation-requests", json=body, headers=headers) for _ in range(6))
        )
        assert {answer.status_code for answer in answers} == {201}
        assert len({UUID(answer.json()["id"]) for answer in answers}) == 1
        other = await running.api(
            "POST", "/validation-requests", json=body | {"presenting_complaint": "Other"}, headers=headers
        )
        assert other.status_code == 409
        assert query(database_url, "SELECT count(*) FROM cases") == [(1,)]


async def test_one_open_request_for_a_cad_case_however_many_calls_come_at_once(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        body = request_body()
        answers = await asyncio.gather(*(running.api("POST", "/validation-requests", json=body) for _ in range(6)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
