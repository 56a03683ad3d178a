"""A CAD opens a request: case, armed deadline and queued message in the one commit that its 201 stands for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import text

from cad_bridge.engine.core import Engine
from cad_bridge.engine.verdicts import issue_as_json
from cad_bridge.fhir.content import Request
from cad_bridge.fhir.disclosure import withheld
from cad_bridge.fhir.envelope import resource_full_url
from cad_bridge.protocol.services import LocalService, canonical
from cad_bridge.store import queries
from cad_bridge.store.journeys import correlation_of_journey
from cad_bridge.store.rows import Conversation, StoredCase
from cad_bridge.store.unit_of_work import UnitOfWork
from cad_bridge.workflow.case import Case, dispatch_by
from cad_bridge.workflow.decide import begin
from cad_bridge.workflow.effects import Decision, Effect, Send, Tell
from cad_bridge.workflow.vocabulary import EventType, MessageKind, Priority, Side, UseCase

_JOURNEYS = UUID("3c0b1d3e-8d1f-4c55-9a6d-0f6a0f3f5c11")


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing wrong with a field of a local API body."""

    path: str
    message: str


class RequestRefusedError(Exception):
    """The request cannot be opened; `problems` say why, by field."""

    def __init__(self, *problems: FieldProblem, status: int = 422) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """A client's own key for one request, so that its retry makes no second case."""

    client: str
    key: str
    body_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The case, and whether it was made just now or by an earlier call with the same key."""

    stored: StoredCase
    repeated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A request that may be opened: what is sent, by which service of ours, and what is known beside it."""

    content: Request
    """With its receiver."""
    service: LocalService
    needed_by: datetime | None = None
    told: Mapping[str, Any] = field(default_factory=dict)
    """What `case.created` says of it."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the builder of the message needs beside the content."""
    discovery: dict[str, Any] | None = None
    record: Callable[[UnitOfWork, UUID], Awaitable[None]] | None = None
    """Writes what has to be kept beside the case, in its transaction."""
    shape: Callable[[StoredCase], StoredCase] = lambda stored: stored
    """What a message that was made elsewhere decides of the case: its ids."""


async def open_request(engine: Engine, content: Request, *, by: str, key: IdempotencyKey | None = None) -> Opened:
    """Open a validation. Raises RequestRefusedError; then nothing is kept of it as a case."""

    async def prepare() -> Opening:
        service = sender_of(engine, content)
        if not UseCase(content.use_case).is_validation:
            raise RequestRefusedError(FieldProblem("use_case", "must be a4t1, a4t2 or a4t3 for a validation request"))
        require_receiver(content.receiver, service)
        require_category(content.triage.arp, service, path="triage.arp")
        return Opening(content=_with_breach_time(content, service, engine.now()), service=service)

    return await open_case(engine, prepare, by=by, key=key)


async def open_case(
    engine: Engine, prepare: Callable[[], Awaitable[Opening]], *, by: str, key: IdempotencyKey | None
) -> Opened:
    """Case, deadlines and queued message in one commit, or the case that the same key has made before.

    `prepare` says what is opened. What it refuses is refused, but not to the retry of a request that was taken.
    """
    refused, opening = None, None
    try:
        opening = await prepare()
    except RequestRefusedError as error:
        refused = error
    async with engine.unit_of_work() as work:
        if key is not None:
            known = await work.idempotent_case(key.client, key.key)
            if known is not None:
                return await _earlier(engine, *known, body_sha256=key.body_sha256)
        if opening is None:
            assert refused is not None, "what is not prepared was refused"
            raise refused
        stored = await _open_in(engine, work, opening, by=by)
        if key is not None:
            at = stored.created_at
            work.remember(client=key.client, key=key.key, request_sha256=key.body_sha256, case_id=stored.id, at=at)
        await work.commit()
    return Opened(stored=stored, repeated=False)


async def _open_in(engine: Engine, work: UnitOfWork, opening: Opening, *, by: str) -> StoredCase:
    now = engine.now()
    await _refuse_second_open_case(work, opening.content, opening.service)
    stored = opening.shape(_new_case(engine, opening, now, correlation_id=await _correlation_id(engine, work, opening)))
    decision = _beside(begin(stored.case, now=now, policy=opening.service.policy), opening)
    stored = stored.evolve(case=decision.case)
    work.add_case(stored)
    if opening.record is not None:
        await opening.record(work, stored.id)
    await engine.apply(work, stored, decision, before=None, by=by, now=now)
    return stored


def _beside(decision: Decision, opening: Opening) -> Decision:
    """The decision with what is known beside the case: in `case.created`, and for the builder of the message."""

    def with_it(effect: Effect) -> Effect:
        match effect:
            case Tell(type=EventType.CASE_CREATED):
                return replace(effect, data=effect.data | dict(opening.told))
            case Send(kind=MessageKind.REQUEST):
                return replace(effect, facts=effect.facts | dict(opening.facts))
            case _:
                return effect

    return replace(decision, effects=tuple(with_it(effect) for effect in decision.effects))


def sender_of(engine: Engine, content: Request) -> LocalService:
    """The service of ours that makes the request. Raises RequestRefusedError if it may not make such a one."""
    service = engine.site.service(content.sender)
    if service is None:
        raise RequestRefusedError(FieldProblem("sender", "is not a service of this installation"))
    if not service.plays(UseCase(content.use_case), Side.REQUESTER):
        raise RequestRefusedError(FieldProblem("use_case", "the sender is not configured to request this use case"))
    return service


def require_receiver(receiver: str | None, service: LocalService) -> None:
    """A request goes to a service, and to another one. Raises RequestRefusedError."""
    if receiver is None or canonical(receiver) == service.id:
        raise RequestRefusedError(FieldProblem("receiver", "must name another service"))


def require_category(arp: str | None, service: LocalService, *, path: str) -> None:
    """A case that local rules send straight to dispatch does not wait for a validation. Raises RequestRefusedError."""
    if not service.policy.may_be_validated(Priority.parse(arp)):
        raise RequestRefusedError(FieldProblem(path, "is not a category that this service has validated"))


def _with_breach_time(content: Request, service: LocalService, now: datetime) -> Request:
    """The request with its breach time: the CAD's own, else the service's default for the category."""
    if content.breach_at is None:
        default = service.policy.breach_time(Priority.parse(content.triage.arp))
        if default is None:
            raise RequestRefusedError(
                FieldProblem("breach_at", "is needed: the service has no default for this category")
            )
        if now + default <= content.clock_start:
            raise RequestRefusedError(
                FieldProblem("breach_at", "the service's default would not lie after clock_start")
            )
        return content.model_copy(update={"breach_at": now + default})
    if content.breach_at <= now:
        raise RequestRefusedError(FieldProblem("breach_at", "must lie in the future"))
    return content


async def _earlier(engine: Engine, case_id: UUID, made_by_sha256: str, *, body_sha256: str) -> Opened:
    if made_by_sha256 != body_sha256:
        problem = FieldProblem("Idempotency-Key", "was used before with another body")
        raise RequestRefusedError(problem, status=409)
    stored = await queries.case_by_id(engine.database, case_id)
    assert stored is not None, "the key and its case are written in one commit"
    return Opened(stored=stored, repeated=True)


async def _refuse_second_open_case(work: UnitOfWork, content: Request, service: LocalService) -> None:
    """One open request at a time for one CAD case and use case (CORE-WF-06): a retried submit makes no twin.

    Mutual aid alone may be asked of several services at once: what each is to send adds up.
    """
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 2))")
    await work.connection.execute(lock, {"key": f"{service.id}\n{content.use_case}\n{content.case_number}"})
    twin = await queries.open_twin(
        work.connection,
        local_service=service.id,
        use_case=content.use_case,
        case_number=content.case_number,
        remote_service=canonical(content.receiver or "") if content.use_case == UseCase.MUTUAL_AID.value else None,
    )
    if twin is not None:
        problem = FieldProblem("case_number", f"has an open request already: case {twin}")
        raise RequestRefusedError(problem, status=409)


async def _correlation_id(engine: Engine, work: UnitOfWork, opening: Opening) -> str:
    """One for everything that is said about a journey, onward referrals included (CORE-TI-07, CORE-TI-08)."""
    known = None
    if opening.content.journey_id is not None:
        known = await correlation_of_journey(
            work.connection, local_service=opening.service.id, journey_id=str(opening.content.journey_id)
        )
    return known or str(engine.new_id())


def _withheld(content: Request) -> tuple[dict[str, Any], ...]:
    return tuple(issue_as_json(issue) for issue in withheld(content))


def told_anew(stored: StoredCase, content: Request, new: dict[str, Any]) -> StoredCase:
    """The case with what an update of its content says, as it is stored, and what is kept back of that (PRSB-21)."""
    added = tuple(item for item in _withheld(content) if item not in stored.warnings)
    return stored.evolve(content=new, warnings=(*stored.warnings, *added))


def _new_case(engine: Engine, opening: Opening, now: datetime, *, correlation_id: str) -> StoredCase:
    content, service = opening.content, opening.service
    case_id = engine.new_id()
    bundle_id = str(engine.new_id())
    journey = str(content.journey_id or uuid5(_JOURNEYS, f"{service.id}|{content.case_number}|{case_id}"))
    arp = Priority.parse(content.triage.arp)
    assert content.receiver is not None
    return StoredCase(
        case=Case(
            id=case_id,
            side=Side.REQUESTER,
            use_case=UseCase(content.use_case),
            state="",
            arp=arp,
            clock_start=content.clock_start,
            breach_at=content.breach_at,
            dispatch_by=dispatch_by(arp, content.clock_start),
            cancel_on_breach=service.cancel_on_breach,
            needed_by=opening.needed_by,
            triage=content.triage.model_dump(mode="json", exclude_none=True),
        ),
        conversation=Conversation(
            local_service=service.id,
            remote_service=canonical(content.receiver),
            case_number=content.case_number,
            journey_id=journey,
            correlation_id=correlation_id,
            request_bundle_id=bundle_id,
            service_request_full_url=resource_full_url(bundle_id, "ServiceRequest"),
            encounter_full_url=resource_full_url(bundle_id, "Encounter"),
        ),
        content=content.model_dump(mode="json", exclude_none=True) | {"journey_id": journey},
        discovery=opening.discovery,
        warnings=_withheld(content),
        created_at=now,
        updated_at=now,
    )
