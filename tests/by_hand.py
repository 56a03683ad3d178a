"""The service turned by hand: no loop runs, the clock stands still, and the other side speaks when a test says so."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from cad_bridge.clock import ManualClock
from cad_bridge.sandbox import validation_responses
from cad_bridge.sandbox.actions import Complete, Outcome, Reject
from cad_bridge.sandbox.cases import Case, CaseBook
from cad_bridge.sandbox.identity import ServiceIdentity
from cad_bridge.sandbox.message import Message
from cad_bridge.sandbox.plans import Plan, Script
from cad_bridge.sandbox.proxy import ProxySettings
from cad_bridge.sandbox.server import DEMO_CAS, CasConfig, SandboxConfig, start_sandbox
from cad_bridge.sandbox.synthetic import PEOPLE
from cad_bridge.sandbox.validation_requests import ValidationCase, validation_request
from tests.database import connect
from tests.service import DOS, OUR_CAS, Running, configuration, serving, until

NOWHERE = "http://127.0.0.1:9"
"""Nothing listens there: every connection is refused at once."""
REMOTE_AST = ServiceIdentity(f"{DOS}|2000000019", "RX9", "Remote AST")
BREACH_IN = timedelta(minutes=40)


def a_clock() -> ManualClock:
    """A clock that stands at the present."""
    return ManualClock(datetime.now(UTC))


@asynccontextmanager
async def by_hand(
    database_url: str, clock: ManualClock, *, base_url: str = NOWHERE, **changes: Any
) -> AsyncIterator[Running]:
    """A service on HTTP whose loops stand still; nothing answers what it sends."""
    config = configuration(base_url=base_url, **changes)
    async with serving(config, database_url, clock=clock, background=False) as running:
        yield running


@asynccontextmanager
async def by_hand_with_proxy(
    database_url: str, clock: ManualClock, *, plan: Plan, timeout_seconds: float = 5, **changes: Any
) -> AsyncIterator[Running]:
    """The same with the sandbox's proxy, which asks for no token, and a simulated CAS that follows `plan`."""
    config = SandboxConfig(
        proxy=ProxySettings(require_token=False), cas=(CasConfig(script=Script(plan)),), asts=(), requesters=()
    )
    async with start_sandbox(config) as sandbox:
        bars = {"base_url": sandbox.proxy_url, "timeout_seconds": timeout_seconds}
        async with by_hand(database_url, clock, base_url=sandbox.proxy_url, bars=bars, **changes) as running:
            running.sandbox = sandbox
            for service in running.service.engine.site.services:
                sandbox.route(service, f"{running.url}/FHIR/R4")
            yield running


async def send_due(running: Running) -> None:
    """Send what is due in the outbox, until nothing is."""
    while await running.service.outbox.work():
        pass


async def sweep(running: Running) -> None:
    """Fire what is due."""
    await running.service.timers.sweep_once()


async def types_of(running: Running, case_id: str, **more: Any) -> list[str]:
    """The types of the events of a case, in order."""
    return [event["type"] for event in await running.events(case_id, **more)]


async def messages_of(running: Running, case_id: str, **more: Any) -> list[dict[str, Any]]:
    """The messages of a case with `body` decoded."""
    answer = await running.api("GET", f"/cases/{case_id}/messages", **more)
    found: list[dict[str, Any]] = answer.json()["messages"]
    return [message | {"body": base64.b64decode(message["body_base64"])} for message in found]


def reasons_of(case: dict[str, Any]) -> list[str]:
    """Why the case was escalated, in order."""
    return [escalation["reason"] for escalation in case["escalations"]]


def query(database_url: str, statement: str, *values: Any) -> list[Any]:
    """Rows of a statement on a connection of its own."""
    with connect(database_url) as connection:
        cursor = connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def copies(database_url: str, case_id: str, *, count: int) -> None:
    """So many more cases just like one, with its deadlines, without the cost of opening them."""
    query(
        database_url,
        """
        WITH fresh AS (
            SELECT to_jsonb(cases) || jsonb_build_object('id', gen_random_uuid()) AS values
            FROM cases, generate_series(1, %s) WHERE id = %s),
        copied AS (
            INSERT INTO cases SELECT (jsonb_populate_record(NULL::cases, fresh.values)).* FROM fresh RETURNING id)
        INSERT INTO deadlines (id, case_id, kind, subject, due_at, armed_at)
        SELECT gen_random_uuid(), copied.id, kind, subject, due_at, armed_at FROM copied, deadlines
        WHERE case_id = %s
        """,
        count,
        UUID(case_id),
        UUID(case_id),
    )


WAITING = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@asynccontextmanager
async def held(database_url: str, statement: str, *values: Any) -> AsyncIterator[None]:
    """Another connection holds the rows of a statement for as long as the context lasts."""
    with connect(database_url) as holder:
        holder.autocommit = False
        holder.execute(statement, values)
        try:
            yield
        finally:
            holder.rollback()


def cursor_row_held(database_url: str) -> AbstractAsyncContextManager[None]:
    """Every commit with events stops half-way, with its locks."""
    return held(database_url, "UPDATE event_cursor SET value = value")


async def waiting_for_a_lock(database_url: str, *, count: int = 1) -> None:
    """Return as soon as so many connections wait for another transaction."""

    async def look() -> bool:
        return len(query(database_url, f"SELECT pid {WAITING}")) >= count

    await until(look, "connections that wait for a lock")


def terminate_waiting(database_url: str) -> None:
    """The server ends every connection that waits for a lock."""
    query(database_url, f"SELECT pg_terminate_backend(pid) {WAITING}")


@dataclass
class RemoteCas:
    """The responder of one case: builds its responses as raw JSON and posts them past the proxy."""

    running: Running
    held: Case
    correlation_id: str

    @classmethod
    async def of(cls, running: Running, case_id: str, *, identity: ServiceIdentity = DEMO_CAS) -> RemoteCas:
        """The responder that holds the request of a case."""
        request = next(message for message in await messages_of(running, case_id) if message["kind"] == "request")
        held = CaseBook(identity, prefix="CAS").open(
            Message.parse(request["body"]), correlation_id=request["correlation_id"], now=datetime.now(UTC)
        )
        return cls(running, held, request["correlation_id"])

    def interim(self) -> dict[str, Any]:
        """The consultation started."""
        self.held.move_to("in-progress", datetime.now(UTC))
        message = validation_responses.interim(self.held, datetime.now(UTC))
        self.held.interim_sent = True
        return message

    def rejection(self, code: str = "FC") -> dict[str, Any]:
        """The request goes back."""
        self.held.move_to("cancelled", datetime.now(UTC))
        return validation_responses.rejection(self.held, Reject(code), datetime.now(UTC))

    def final(self, outcome: Outcome = Outcome.HEAR_AND_TREAT, **more: Any) -> dict[str, Any]:
        """The consultation is over."""
        self.held.move_to("finished", datetime.now(UTC))
        action = Complete(outcome, **more)
        return validation_responses.final(self.held, action, datetime.now(UTC), cad_id=action.cad_id)

    async def post(self, message: dict[str, Any], *, request_id: str | None = None) -> httpx.Response:
        """Post a response under the correlation id of the conversation."""
        ids = {"X-Request-Id": request_id or str(uuid4()), "X-Correlation-Id": self.correlation_id}
        return await self.running.post_message(message, headers=ids)


def request_to_us(**changes: Any) -> dict[str, Any]:
    """A validation request of a remote AST to our CAS."""
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "use_case": "a4t1",
        "case_number": f"RMT-{uuid4().hex[:8]}",
        "person": PEOPLE[0],
        "call_connect": now - timedelta(minutes=4),
        "clock_start": now - timedelta(minutes=1),
        "breach_at": now + BREACH_IN,
    }
    return validation_request(ValidationCase(**values | changes), source=REMOTE_AST, target=OUR_CAS, now=now)
