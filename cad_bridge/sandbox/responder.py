"""A simulated responder: acknowledges requests, then acts on each case by its plan."""

from __future__ import annotations

import asyncio
import copy
import json
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .acknowledgement import acknowledgement
from .actions import Act, Action, Malformed, ScriptError
from .cases import Case, CaseBook
from .clock import Clock
from .findings import findings
from .identity import Json, ServiceIdentity
from .malformations import malformed_body
from .message import Message
from .outcomes import RefusedError, bad_request, conflict
from .plans import Plan, Script, Step
from .receiver import Arrival
from .sender import ProxySender, Sent


@dataclass(frozen=True)
class Performed:
    """A scripted action that was carried out, and what became of its message."""

    case_number: str
    """The responder's own number."""
    action: Action
    message: Json | None
    """The bundle as sent; None where a malformed body is no JSON."""
    sent: Sent


class SimulatedResponder(ABC):
    """What CAS and AST have in common. Everything public may be read by a test at any time."""

    def __init__(
        self,
        identity: ServiceIdentity,
        *,
        use_cases: Collection[str],
        script: Script,
        sender: ProxySender,
        clock: Clock,
        case_prefix: str,
    ) -> None:
        self.identity = identity
        self.use_cases = tuple(use_cases)
        self.script = script
        self.cases = CaseBook(identity, prefix=case_prefix)
        self.arrivals: list[Arrival] = []
        """Every message that could be read, in the order of arrival."""
        self.performed: list[Performed] = []
        """Every scripted action whose message has left, in order."""
        self.findings: list[str] = []
        """What was wrong with arrivals, but not refused."""
        self.errors: list[str] = []
        """Scripted actions that could not be carried out."""
        self._sender = sender
        self._clock = clock
        self._running: dict[Case, asyncio.Task[None]] = {}

    @abstractmethod
    def perform(self, case: Case, act: Act) -> Json:
        """Carries out an action on a case and returns the message about it. Raises ScriptError."""

    def now(self) -> datetime:
        """The responder's clock, aware UTC."""
        return self._clock.now()

    def note(self, arrival: Arrival) -> None:
        """Keeps an arrival and what is wrong with it."""
        self.arrivals.append(arrival)
        self.findings += findings(arrival.message, arrival.headers)

    async def aclose(self) -> None:
        """Stops every script and closes the connections."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._sender.aclose()

    async def new_request(self, arrival: Arrival) -> Json:
        """Opens a case, answers with it, and starts its plan."""
        plan = self.script.plan_for(arrival.message)
        if plan.refusal is not None:
            raise plan.refusal.error()
        case = self.cases.open(arrival.message, correlation_id=arrival.correlation_id, now=arrival.at)
        for step in plan.before_acknowledgement:
            await self._take(case, step, since=self.now())
        self._run(case, plan)
        return acknowledgement(case, arrival.message, arrival.at, form=plan.acknowledgement)

    async def update(self, arrival: Arrival) -> Json:
        """Merges a change into an open case. Raises RefusedError 404 or 409."""
        case = self._open_case(arrival)
        case.merge(arrival.message)
        return acknowledgement(case, arrival.message, self.now())

    async def cancel(self, arrival: Arrival) -> Json:
        """Ends an open case as the requester wishes. Raises RefusedError 404 or 409."""
        case = self._open_case(arrival)
        case.request_status = str(arrival.message.service_request["status"])
        self._stop(case)
        return arrival.message.bundle

    async def response(self, _arrival: Arrival) -> Json:
        """A responder asked nothing, so nothing can be an answer."""
        raise bad_request("invariant", f"{self.identity.name} expects no responses")

    def read(self, service_request_id: str) -> Json | None:
        """The ServiceRequest as it stands here."""
        case = self.cases.by_service_request(service_request_id)
        return None if case is None else self._current(case)

    def search(self, system: str, value: str) -> list[Json]:
        """The ServiceRequests of a patient."""
        return [self._current(case) for case in self.cases if _is_patient(case.held, system, value)]

    async def act(self, case: Case, action: Action) -> Performed:
        """Carries out one action now, outside any plan. Raises ScriptError."""
        message, body = self._prepare(case, action)
        sent = await self._sender.post(
            body,
            target=case.reply_to,
            correlation_id=case.correlation_id,
            use_context=_use_context(case, message),
        )
        done = Performed(case.case_number, action, message if _is_json(body) else None, sent)
        self.performed.append(done)
        return done

    def _prepare(self, case: Case, action: Action) -> tuple[Json, bytes]:
        if isinstance(action, Malformed):
            draft = replace(case, status_history=list(case.status_history))
            message = self.perform(draft, action.of)
            body = malformed_body(message, action.defect)
            return (json.loads(body) if _is_json(body) else message), body
        message = self.perform(case, action)
        return message, json.dumps(message).encode()

    def _run(self, case: Case, plan: Plan) -> None:
        task = asyncio.create_task(self._follow(case, plan.steps), name=f"{plan.name} {case.case_number}")
        self._running[case] = task
        task.add_done_callback(lambda done: self._finished(case, done))

    def _finished(self, case: Case, task: asyncio.Task[None]) -> None:
        self._running.pop(case, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.errors.append(f"{case.case_number}: {type(error).__name__}: {error}")

    async def _follow(self, case: Case, steps: tuple[Step, ...]) -> None:
        since = case.acknowledged_at
        for step in steps:
            await self._take(case, step, since=since)
            since = self.now()

    async def _take(self, case: Case, step: Step, *, since: datetime) -> None:
        if step.anchor == "breach":
            await self._clock.wait_until(max(_breach(case) + timedelta(seconds=step.after), since))
        elif step.after:
            await self._clock.wait(step.after)
        try:
            await self.act(case, step.action)
        except (ScriptError, RefusedError) as error:
            self.errors.append(f"{case.case_number}: {error}")

    def _stop(self, case: Case) -> None:
        task = self._running.get(case)
        if task is not None:
            task.cancel()

    def _open_case(self, arrival: Arrival) -> Case:
        case = self.cases.find(arrival.message, arrival.correlation_id)
        if case.request_status != "active":
            raise conflict("conflict", f"The request is {case.request_status}")
        return case

    def _current(self, case: Case) -> Json:
        return copy.deepcopy(case.held.service_request) | {"status": case.request_status}


def _use_context(case: Case, message: Json) -> str:
    """use-context of a response (CORE-HDR-18)."""
    return f"{case.use_case}|{case.held.category}|servicerequest-response|{Message(message).reason}"


def _breach(case: Case) -> datetime:
    try:
        return datetime.fromisoformat(case.held.service_request["occurrencePeriod"]["end"])
    except KeyError:
        raise ScriptError("the request carries no breach time") from None


def _is_patient(request: Message, system: str, value: str) -> bool:
    return any(
        identifier.get("system") == system and identifier.get("value") == value
        for identifier in request.one("Patient").get("identifier", [])
    )


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True
