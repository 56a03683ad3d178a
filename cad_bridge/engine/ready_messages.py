"""A local system gives a BaRS message that it made itself: checked like a received one, and sent byte for byte.

What the message says is read as content, so that deadlines, escalations and views are those of any other case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from cad_bridge.engine.core import Engine, Handled, NoSuchCaseError
from cad_bridge.engine.requests import (
    FieldProblem,
    IdempotencyKey,
    Opened,
    Opening,
    RequestRefusedError,
    open_case,
    require_category,
    require_receiver,
    sender_of,
)
from cad_bridge.engine.verdicts import issue_as_json
from cad_bridge.fhir.check import check_message
from cad_bridge.fhir.content import ReceivedRequest, Request, RequestContent
from cad_bridge.fhir.facts import Facts, focus_encounter, read_facts
from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.read_request import read_request
from cad_bridge.fhir.structure import check_structure
from cad_bridge.protocol.decision import decide_row
from cad_bridge.protocol.definitions import check_definition, definition_for
from cad_bridge.protocol.services import canonical
from cad_bridge.store import queries
from cad_bridge.store.rows import StoredCase
from cad_bridge.workflow import commands
from cad_bridge.workflow.vocabulary import Priority, UseCase

_NEW, _UPDATE = frozenset({"DT-02"}), frozenset({"DT-04"})
_HEADER = "Bundle.entry.resource.ofType(MessageHeader)"
_REQUEST = "Bundle.entry.resource.ofType(ServiceRequest)"
_OUTCOME = "Bundle.entry.resource.ofType(CarePlan).activity.outcomeCodeableConcept"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedMessage:
    """A message that passed every check that is about the message alone."""

    bundle: dict[str, Any]
    facts: Facts
    issues: tuple[Issue, ...]
    """What is tolerated about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyMessage:
    """A message that passed every check, with what it says."""

    raw: bytes
    facts: Facts
    content: ReceivedRequest
    issues: tuple[Issue, ...]
    """What is tolerated about it; shown on the case."""


async def open_ready(
    engine: Engine, raw: bytes, *, services: Sequence[str], by: str, key: IdempotencyKey | None = None
) -> Opened:
    """Open a validation by a ready message. Raises RequestRefusedError, with FHIRPaths."""

    async def prepare() -> Opening:
        message = read_ready(engine, raw, services=services, rows=_NEW, wanted="a new validation request")
        await refuse_known_bundle(engine, message)
        return _opening(engine, message)

    return await open_case(engine, prepare, by=by, key=key)


async def update_ready(engine: Engine, case_id: UUID, raw: bytes, *, services: Sequence[str], by: str) -> Handled:
    """Update a case that was opened by a ready message. Raises NoSuchCaseError, RequestRefusedError."""
    message = read_ready(engine, raw, services=services, rows=_UPDATE, wanted="an update of a validation request")

    def command(changed: tuple[str, ...]) -> commands.Update:
        return commands.Update(
            changed=changed,
            arp=Priority.parse(message.facts.arp),
            clock_start=message.facts.careplan_period_start,
            breach_at=call_back_time(message, engine),
            bundle=raw,
            by=by,
        )

    return await update_by(engine, case_id, message, command)


async def update_by(
    engine: Engine, case_id: UUID, message: ReadyMessage, command_for: Callable[[tuple[str, ...]], commands.Command]
) -> Handled:
    """Update a case by a ready message; `command_for` makes the command from the names of what has changed.

    Raises NoSuchCaseError, RequestRefusedError.
    """
    async with engine.unit_of_work() as work:
        loaded = await work.lock_case(case_id)
        if loaded is None:
            raise NoSuchCaseError
        stored = loaded.stored
        refuse_another_request(stored, message)
        new = kept(message, stored.conversation.journey_id)
        changed = tuple(sorted(k for k in {*new, *stored.content} if new.get(k) != stored.content.get(k)))
        warnings = tuple(issue_as_json(issue) for issue in message.issues)
        handled = await engine.decide_in(
            work, loaded, command_for(changed), change=lambda known: known.evolve(content=new, warnings=warnings)
        )
        if handled.decision.refusal is None:
            await work.commit()
        return handled


def read_ready(
    engine: Engine, raw: bytes, *, services: Sequence[str], rows: frozenset[str], wanted: str
) -> ReadyMessage:
    """`check_ready` of a request, with what it says as content. Raises RequestRefusedError."""
    checked = check_ready(engine, raw, services=services, rows=rows, wanted=wanted)
    content, issues = read_request(checked.bundle)
    return ReadyMessage(raw=raw, facts=checked.facts, content=content, issues=(*checked.issues, *issues))


def check_ready(
    engine: Engine, raw: bytes, *, services: Sequence[str], rows: frozenset[str], wanted: str
) -> CheckedMessage:
    """A message that passes every check of a received one and falls under one of the decision rows `rows`.

    Raises RequestRefusedError; `wanted` says in words what the rows stand for.
    """
    structure = check_structure(raw)
    _refuse(structure.issues)
    assert structure.bundle is not None, "what cannot be read was refused"
    facts = read_facts(structure.bundle)
    sender = canonical(facts.source_endpoint or "")
    if sender not in services:
        raise RequestRefusedError(FieldProblem(f"{_HEADER}.source.endpoint", "is not a service of this client"))
    service = engine.site.service(sender)
    if service is None:
        raise RequestRefusedError(FieldProblem(f"{_HEADER}.source.endpoint", "is not a service of this installation"))
    found = [*structure.issues, *check_definition(facts, strict=service.strict)]
    found += check_message(structure.bundle, facts, strict=service.strict, collected=structure.collected)
    _refuse(found)
    if definition_for(facts.definition) is None:
        raise RequestRefusedError(FieldProblem(f"{_HEADER}.definition", "is not a definition that is known here"))
    if facts.use_case not in set(UseCase):
        raise RequestRefusedError(FieldProblem(f"{_REQUEST}.category", "names no use case that is known here"))
    decision = decide_row(facts, strict=service.strict)
    if decision.row.id not in rows:
        raise RequestRefusedError(FieldProblem(_HEADER, f"must be {wanted}; this is: {decision.row.meaning}"))
    return CheckedMessage(bundle=structure.bundle, facts=facts, issues=tuple(found))


def _refuse(issues: Iterable[Issue]) -> None:
    errors = [FieldProblem(issue.expression, issue.diagnostics) for issue in issues if issue.is_error]
    if errors:
        raise RequestRefusedError(*errors)


async def refuse_known_bundle(engine: Engine, message: ReadyMessage) -> None:
    """A response names its request by Bundle.id alone: of ours, no two cases may share one (X-12)."""
    async with engine.database.connect() as connection:
        known = await queries.cases_of_request(connection, bundle_id=message.facts.bundle_id or "")
    if known:
        raise RequestRefusedError(FieldProblem("Bundle.id", "was used for an earlier request of ours"), status=409)


def _opening(engine: Engine, message: ReadyMessage) -> Opening:
    content = as_request(message, breach_at=call_back_time(message, engine))
    service = sender_of(engine, content)
    require_receiver(content.receiver, service)
    require_category(message.facts.arp, service, path=_OUTCOME)
    return Opening(
        content=content, service=service, facts={"bundle": message.raw}, shape=lambda stored: shaped(stored, message)
    )


def as_request(message: ReadyMessage, *, breach_at: datetime | None) -> Request:
    """The content without the rules of the local API's own body: the message was checked as a message."""
    said = message.content
    _need(
        ("Bundle.id", message.facts.bundle_id),
        (f"{_HEADER}.destination.endpoint", said.receiver),
        ("Bundle.entry.resource.ofType(Encounter).identifier", said.case_number),
        ("Bundle.entry.resource.ofType(CarePlan).period.start", said.clock_start),
        (f"{_REQUEST}.encounter", _encounter_url(message)),
    )
    fields = {name: getattr(said, name) for name in RequestContent.model_fields}
    return Request.model_construct(**fields | {"breach_at": breach_at})


def _need(*items: tuple[str, object]) -> None:
    missing = [FieldProblem(path, "is needed") for path, value in items if not value]
    if missing:
        raise RequestRefusedError(*missing)


def call_back_time(message: ReadyMessage, engine: Engine) -> datetime:
    """By when the receiver has to have acted: breach, or call-back. Raises RequestRefusedError without a good one."""
    breach_at, started = message.facts.occurrence_end, message.facts.careplan_period_start
    path = f"{_REQUEST}.occurrence.end"
    if breach_at is None or breach_at <= engine.now():
        raise RequestRefusedError(FieldProblem(path, "must be given and lie in the future"))
    if started is not None and breach_at <= started:
        raise RequestRefusedError(FieldProblem(path, "must lie after the clock start"))
    return breach_at


def _encounter_url(message: ReadyMessage) -> str | None:
    own = focus_encounter(message.facts)
    return own.full_url if own is not None else None


def shaped(stored: StoredCase, message: ReadyMessage) -> StoredCase:
    """The case with the ids that the message itself uses, and all that it says."""
    facts, encounter = message.facts, _encounter_url(message)
    assert facts.bundle_id is not None, "asked for before"
    assert encounter is not None, "asked for before"
    conversation = replace(
        stored.conversation,
        request_bundle_id=facts.bundle_id,
        service_request_full_url=facts.sr_full_url,
        encounter_full_url=encounter,
        journey_id=facts.journey_id or stored.conversation.journey_id,
    )
    return stored.evolve(
        conversation=conversation,
        content=kept(message, conversation.journey_id),
        warnings=tuple(issue_as_json(issue) for issue in message.issues),
    )


def kept(message: ReadyMessage, journey_id: str | None) -> dict[str, Any]:
    """What the message says, as it is kept with the case."""
    return message.content.model_dump(mode="json", exclude_none=True) | {"journey_id": journey_id}


def refuse_another_request(stored: StoredCase, message: ReadyMessage | CheckedMessage) -> None:
    """An update or cancellation keeps what makes the request the request it is. Raises RequestRefusedError."""
    facts, conversation = message.facts, stored.conversation
    same = (
        ("Bundle.id", facts.bundle_id, conversation.request_bundle_id),
        (f"{_REQUEST}.fullUrl", facts.sr_full_url, conversation.service_request_full_url),
        (f"{_HEADER}.source.endpoint", canonical(facts.source_endpoint or ""), conversation.local_service),
        (f"{_HEADER}.destination.endpoint", canonical(facts.destination_endpoint or ""), conversation.remote_service),
        (f"{_REQUEST}.category", facts.use_case, stored.case.use_case.value),
    )
    problems = [FieldProblem(path, "must be that of the request") for path, given, held in same if given != held]
    if conversation.service_request_id is not None and facts.sr_id != conversation.service_request_id:
        problems.append(FieldProblem(f"{_REQUEST}.id", "must be the one that the responder issued: see issued_ids"))
    if problems:
        raise RequestRefusedError(*problems)
