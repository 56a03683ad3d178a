"""A CAD opens a referral, or tells more of one (Applications 3 and 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from cad_bridge.discovery.receiver import ReceiverChoice, how_confirmed
from cad_bridge.engine.core import Engine, Handled, NoSuchCaseError
from cad_bridge.engine.discovery import How
from cad_bridge.engine.location import location_query
from cad_bridge.engine.referral_messages import is_made_elsewhere
from cad_bridge.engine.requests import (
    FieldProblem,
    IdempotencyKey,
    Opened,
    Opening,
    RequestRefusedError,
    open_case,
    require_receiver,
    sender_of,
    told_anew,
)
from cad_bridge.engine.updates import refuse_another_case
from cad_bridge.engine.verdicts import issue_as_json
from cad_bridge.fhir.content import Request, RequestContent
from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.protocol.services import LocalService
from cad_bridge.store import queries
from cad_bridge.store.rows import StoredCase
from cad_bridge.store.unit_of_work import UnitOfWork
from cad_bridge.workflow.referral_commands import ReferralUpdate
from cad_bridge.workflow.vocabulary import Priority, UseCase

SenderStatus = Literal["in-progress", "triaged", "finished"]
"""The call is on; it has ended; the case is closed here (APP6-REF-07)."""


class ReceiverDoubtfulError(RequestRefusedError):
    """A person has to say that the receiver is right, or name another; `choice` is what discovery found."""

    def __init__(self, *problems: FieldProblem, choice: dict[str, Any]) -> None:
        super().__init__(*problems, status=409)
        self.choice = choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A person's word that the referral is to go to this receiver although the place leaves a doubt."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Referral:
    """What the CAD asks for beside the content."""

    content: Request
    confirmation: Confirmation | None = None
    sender_status: SenderStatus | None = None
    patients: int = 1


async def open_referral(engine: Engine, referral: Referral, *, by: str, key: IdempotencyKey | None = None) -> Opened:
    """Open a referral. Raises RequestRefusedError; then nothing is kept of it as a case."""

    async def prepare() -> Opening:
        content = referral.content
        service = sender_of(engine, content)
        _check(referral)
        _check_callback(content, engine.now())
        return await opening_of(engine, referral, service, by=by)

    return await open_case(engine, prepare, by=by, key=key)


async def opening_of(engine: Engine, referral: Referral, service: LocalService, *, by: str) -> Opening:
    """The referral with its receiver. Raises RequestRefusedError where that is in doubt."""
    content = referral.content
    if content.use_case == UseCase.OUT_OF_AREA.value:
        return await _out_of_area(engine, referral, service, by=by)
    require_receiver(content.receiver, service)
    return _opening(referral, content, service)


def _check(referral: Referral) -> None:
    """Rules that the content alone cannot know, or that hold for one use case."""
    content = referral.content
    if UseCase(content.use_case).is_validation:
        raise RequestRefusedError(FieldProblem("use_case", "must be a3t1, a6t1, a6t2 or a6t3 for a referral"))
    if referral.patients > 1:
        _refuse_many_patients(content)
    if referral.sender_status is not None and content.use_case == UseCase.CAS_REFERRAL.value:
        raise RequestRefusedError(FieldProblem("sender_status", "a category 5 referral is of a case that is finished"))


def _check_callback(content: Request, now: datetime) -> None:
    if content.use_case == UseCase.CAS_REFERRAL.value and (content.breach_at is None or content.breach_at <= now):
        raise RequestRefusedError(FieldProblem("breach_at", "the call-back time must lie in the future"))


def _refuse_many_patients(content: Request) -> None:
    """APP6-REF-26: one referral for each patient, and none of this for a major incident."""
    if content.use_case == UseCase.MUTUAL_AID.value:
        text = (
            "mutual aid is asked for one patient: send a request for each, and use your major incident "
            "arrangements where there are many"
        )
    else:
        text = "a referral is about one patient: send one for each"
    raise RequestRefusedError(FieldProblem("patients", text))


def needed_by(content: RequestContent) -> datetime | None:
    """By when the resource is needed that a call assist or mutual aid request asks for."""
    return content.resource_requested.by if content.resource_requested is not None else None


def _opening(referral: Referral, content: Request, service: LocalService, **more: Any) -> Opening:
    facts = {"encounter_status": referral.sender_status} if referral.sender_status else {}
    return Opening(content=content, service=service, needed_by=needed_by(content), facts=facts, **more)


# --- out of area: who receives it -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    """Where an out-of-area referral goes, and why."""

    how: How
    choice: ReceiverChoice
    service_id: str
    confirmation: Confirmation | None = None
    doubts: tuple[str, ...] = field(default=())

    def view(self) -> dict[str, Any]:
        """For the case, the API and the event."""
        told = self.choice.as_dict()
        view: dict[str, Any] = {
            "how": self.how,
            "service_id": self.service_id,
            "ods_code": self.choice.chosen.ods_code if self.choice.chosen is not None else None,
            "answer": told["discovery"],
            "alternatives": told["alternatives"],
            "doubts": list(self.doubts),
        }
        if self.confirmation is not None:
            view |= {"confirmed_by": self.confirmation.by, "reason": self.confirmation.reason}
        return view


async def _out_of_area(engine: Engine, referral: Referral, service: LocalService, *, by: str) -> Opening:
    route = await _route(engine, referral, service)
    content = referral.content.model_copy(update={"receiver": route.service_id})
    view = route.view()

    async def record(work: UnitOfWork, case_id: UUID) -> None:
        await _record(engine, work, case_id, route, by=by)

    return _opening(referral, content, service, discovery=view, told={"discovery": view}, record=record)


async def _route(engine: Engine, referral: Referral, service: LocalService) -> _Route:
    """The home AST by polygon (APP6-REF-11), or the one that the CAD names, held against the place (H04)."""
    query, named = location_query(referral.content.incident_location), referral.content.receiver
    if named is None:
        choice = await engine.discovery.choose_receiver(query)
        _refuse_own_area(choice, service)
        if choice.chosen is None:
            problem = FieldProblem("receiver", "the place does not say which service takes it: name the receiver")
            raise ReceiverDoubtfulError(problem, *_doubts(choice), choice=choice.as_dict())
    else:
        require_receiver(named, service)
        choice = await engine.discovery.check_receiver(named, query)
    receiver = named or (choice.chosen.service_id if choice.chosen is not None else "")
    require_receiver(receiver, service)
    doubts = tuple(str(reason) for reason in choice.confirm)
    if not doubts:
        return _Route(how="named" if named else "automatic", choice=choice, service_id=receiver)
    if referral.confirmation is None:
        problem = FieldProblem("confirm_receiver", "a person must confirm the receiver, with a reason")
        raise ReceiverDoubtfulError(problem, *_doubts(choice), choice=choice.as_dict())
    confirmation = referral.confirmation
    how = how_confirmed(choice.chosen.ods_code if choice.chosen is not None else "", choice.answer)
    return _Route(how=how, choice=choice, service_id=receiver, confirmation=confirmation, doubts=doubts)


def _refuse_own_area(choice: ReceiverChoice, service: LocalService) -> None:
    ast = choice.answer.ast
    if ast is not None and ast.ods_code.upper() == service.ods_code.upper():
        problem = FieldProblem("incident_location", "lies in the sender's own area; name the receiver if it is to go")
        raise ReceiverDoubtfulError(problem, choice=choice.as_dict())


def _doubts(choice: ReceiverChoice) -> tuple[FieldProblem, ...]:
    return tuple(FieldProblem("receiver", str(reason)) for reason in choice.confirm)


async def _record(engine: Engine, work: UnitOfWork, case_id: UUID, route: _Route, *, by: str) -> None:
    """Why it goes there, for audit, in the commit that opens the case."""
    if route.confirmation is None:
        await engine.discovery.record(
            work.connection, case_id, route.choice, how=route.how, service_id=route.service_id, by=by
        )
        return
    await engine.discovery.record_manual_choice(
        work.connection,
        case_id,
        route.choice,
        service_id=route.service_id,
        by=route.confirmation.by,
        reason=route.confirmation.reason,
    )


# --- updates --------------------------------------------------------------------------------------


async def update_referral(engine: Engine, case_id: UUID, referral: Referral, *, by: str) -> Handled:
    """Tell more of an open referral. Raises NoSuchCaseError; RequestRefusedError for what does not fit the case."""
    known = await queries.case_by_id(engine.database, case_id)
    if known is None:
        raise NoSuchCaseError
    _check(referral)
    content = referral.content
    if content.receiver is None:
        content = content.model_copy(update={"receiver": known.content["receiver"]})
    warnings = await _doubts_about_place(engine, known, content)
    async with engine.unit_of_work() as work:
        loaded = await work.lock_case(case_id)
        assert loaded is not None, "a case is never removed"
        stored = loaded.stored
        refuse_another_case(stored, content)
        if is_made_elsewhere(stored.conversation):
            text = "was opened by a message of its own and is updated by another"
            raise RequestRefusedError(FieldProblem("", text), status=409)
        if content.breach_at != stored.case.breach_at:
            _check_callback(content, engine.now())
        new = content.model_dump(mode="json", exclude_none=True) | {"journey_id": stored.conversation.journey_id}
        command = _update_command(content, _changed(stored, new, referral), referral, by=by)

        def change(case: StoredCase) -> StoredCase:
            case = told_anew(case, content, new)
            added = tuple(item for item in warnings if item not in case.warnings)
            return case.evolve(warnings=(*case.warnings, *added))

        handled = await engine.decide_in(work, loaded, command, change=change)
        if handled.decision.refusal is None:
            await work.commit()
        return handled


def _update_command(content: Request, changed: tuple[str, ...], referral: Referral, *, by: str) -> ReferralUpdate:
    return ReferralUpdate(
        changed=changed,
        arp=Priority.parse(content.triage.arp),
        clock_start=content.clock_start,
        breach_at=content.breach_at,
        needed_by=needed_by(content),
        facts={"encounter_status": referral.sender_status} if referral.sender_status else {},
        by=by,
    )


async def _doubts_about_place(engine: Engine, stored: StoredCase, content: Request) -> tuple[dict[str, Any], ...]:
    """The incident is found to lie elsewhere than the receiver's area: it is told all the same, and said here (H04)."""
    if stored.case.use_case is not UseCase.OUT_OF_AREA or content.receiver is None:
        return ()
    place = content.incident_location.model_dump(mode="json", exclude_none=True)
    if place == stored.content["incident_location"]:
        return ()
    choice = await engine.discovery.check_receiver(content.receiver, location_query(content.incident_location))
    return tuple(
        issue_as_json(
            Issue(
                severity=Severity.WARNING,
                code="value",
                expression="incident_location",
                diagnostics=str(reason),
                rule="APP6-REF-11",
            )
        )
        for reason in choice.confirm
    )


def _changed(stored: StoredCase, new: Mapping[str, Any], referral: Referral) -> tuple[str, ...]:
    names = {name for name in {*new, *stored.content} if new.get(name) != stored.content.get(name)}
    if referral.sender_status is not None:
        names.add("sender_status")
    if not names:
        raise RequestRefusedError(FieldProblem("", "nothing differs from what the receiver has been sent"))
    return tuple(sorted(names))
