"""A responder's system gives a response that it made itself: see `ready_messages`.

It is held against the rules for received ones, and against the case: a response names its request, repeats what this
service has issued, and keeps the T5 rule. Then the command is the one that plain JSON gives, and the bytes are sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from cad_bridge.engine.core import Engine, Handled, NoSuchCaseError
from cad_bridge.engine.ready_messages import CheckedMessage, check_ready
from cad_bridge.engine.requests import FieldProblem, RequestRefusedError
from cad_bridge.engine.responses import Responding, breaks_clock_start_rule, lacks_itk_reference
from cad_bridge.engine.verdicts import issue_as_json
from cad_bridge.fhir.content import ReceivedOutcome, StatusReport
from cad_bridge.fhir.facts import focus_encounter
from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.read_response import read_outcome, read_rejection
from cad_bridge.fhir.same_patient import names_another_patient
from cad_bridge.protocol.services import canonical
from cad_bridge.store import queries
from cad_bridge.store.rows import Loaded, StoredCase
from cad_bridge.store.unit_of_work import UnitOfWork
from cad_bridge.workflow import commands
from cad_bridge.workflow.decide import moves
from cad_bridge.workflow.vocabulary import Priority, UseCase

_HEADER = "Bundle.entry.resource.ofType(MessageHeader)"
_REQUEST = "Bundle.entry.resource.ofType(ServiceRequest)"
_PLAN = "Bundle.entry.resource.ofType(CarePlan)"
_ENCOUNTER = f"{_HEADER}.focus.resolve()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response that passed every check of the message alone, with what it says."""

    raw: bytes
    checked: CheckedMessage
    said: ReceivedOutcome | StatusReport

    @property
    def outcome(self) -> ReceivedOutcome:
        """What a response to a validation says."""
        assert isinstance(self.said, ReceivedOutcome), "read by an action of a validation"
        return self.said


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One of the responder's actions: which message it takes, and which command that is."""

    rows: frozenset[str]
    wanted: str
    command: Callable[[StoredCase, Response, Responding], commands.Command]
    read: Callable[[Mapping[str, Any]], tuple[ReceivedOutcome | StatusReport, list[Issue]]] = read_outcome


async def respond_ready(
    engine: Engine, case_id: UUID, raw: bytes, *, meant: Action, services: Sequence[str], responding: Responding
) -> Handled:
    """Do what is meant by a ready response. Raises NoSuchCaseError, RequestRefusedError."""
    checked = check_ready(engine, raw, services=services, rows=meant.rows, wanted=meant.wanted)
    said, issues = meant.read(checked.bundle)
    response = Response(raw=raw, checked=checked, said=said)
    async with engine.unit_of_work() as work:
        loaded = await work.lock_case(case_id)
        if loaded is None:
            raise NoSuchCaseError
        await _refuse_another_case(work, loaded, response)
        command = meant.command(loaded.stored, response, responding)
        warnings = tuple(issue_as_json(issue) for issue in (*checked.issues, *issues))
        handled = await engine.decide_in(work, loaded, command, change=_with(command, warnings))
        if handled.decision.refusal is None:
            await work.commit()
        return handled


def _with(command: commands.Command, warnings: tuple[dict[str, Any], ...]) -> Callable[[StoredCase], StoredCase]:
    """What is noted in the case beside the facts that decide: the outcome, and what is tolerated about the message."""

    def change(stored: StoredCase) -> StoredCase:
        new = tuple(warning for warning in warnings if warning not in stored.warnings)
        stored = stored.evolve(warnings=(*stored.warnings, *new))
        return stored.evolve(outcome=command.outcome) if isinstance(command, commands.Complete) else stored

    return change


async def _refuse_another_case(work: UnitOfWork, loaded: Loaded, response: Response) -> None:
    """A response belongs to this case, and repeats what is known of it. Raises RequestRefusedError."""
    problems = [*_misaddressed(loaded.stored, response), *_other_ids(loaded.stored, response)]
    held = await queries.held_request(work.connection, loaded.stored.id)
    assert held is not None, "a received case holds its request"
    if names_another_patient(orjson.loads(held), response.checked.bundle):
        problems.append(FieldProblem("Bundle.entry.resource.ofType(Patient)", "is another patient than the request's"))
    if problems:
        raise RequestRefusedError(*problems)
    if await queries.bundle_was_sent(work.connection, bundle_id=response.checked.facts.bundle_id or ""):
        raise RequestRefusedError(FieldProblem("Bundle.id", "was used for an earlier message of ours"), status=409)


def _misaddressed(stored: StoredCase, response: Response) -> Iterator[FieldProblem]:
    facts, conversation = response.checked.facts, stored.conversation
    own = focus_encounter(facts)
    focused = own if own is not None and own.is_focus else None
    numbers = {value for _, value in focused.identifiers} if focused is not None else set()
    same = (
        (f"{_HEADER}.source.endpoint", canonical(facts.source_endpoint or ""), conversation.local_service),
        (f"{_HEADER}.destination.endpoint", canonical(facts.destination_endpoint or ""), conversation.remote_service),
        (f"{_HEADER}.response.identifier", facts.response_identifier, conversation.request_bundle_id),
        (f"{_REQUEST}.fullUrl", facts.sr_full_url, conversation.service_request_full_url),
        (f"{_REQUEST}.category", facts.use_case, stored.case.use_case.value),
        (f"{_ENCOUNTER}.fullUrl", focused.full_url if focused else None, conversation.encounter_full_url),
        (f"{_ENCOUNTER}.id", focused.id if focused else None, conversation.encounter_id),
        (f"{_ENCOUNTER}.episodeOfCare", facts.journey_id, conversation.journey_id),
    )
    yield from (FieldProblem(path, "must be that of the case") for path, given, held in same if given != held)
    if conversation.case_number not in numbers:
        yield FieldProblem(f"{_ENCOUNTER}.identifier", "must hold the case number that the requester was told")


def _other_ids(stored: StoredCase, response: Response) -> Iterator[FieldProblem]:
    """What was received comes back with the ids that it was given (CORE-SYNC-05)."""
    for index, entry in enumerate(response.checked.bundle["entry"]):
        issued = stored.conversation.issued_ids.get(entry.get("fullUrl", ""))
        if issued is not None and entry["resource"].get("id") != issued:
            yield FieldProblem(f"Bundle.entry[{index}].resource.id", "must be the one that was issued: see issued_ids")


def _interim_may_go(stored: StoredCase) -> None:
    if stored.case.interim_sent:
        problem = FieldProblem(_HEADER, "the interim response was sent already: do it by plain JSON")
        raise RequestRefusedError(problem, status=409)


def _accept(stored: StoredCase, response: Response, responding: Responding) -> commands.Command:
    if stored.case.use_case is UseCase.CAS_VALIDATION:
        why = "a CAS tells when the consultation starts: accept by plain JSON, and start with this"
        raise RequestRefusedError(FieldProblem(_HEADER, why))
    _interim_may_go(stored)
    by = responding.by(response.said.practitioner)
    return commands.Accept(take_over=responding.take_over, bundle=response.raw, by=by)


def _start(stored: StoredCase, response: Response, responding: Responding) -> commands.Command:
    _interim_may_go(stored)
    by = responding.by(response.said.practitioner)
    return commands.Start(take_over=responding.take_over, bundle=response.raw, by=by)


def reject(_: StoredCase, response: Response, responding: Responding) -> commands.Command:
    reason = read_rejection(response.checked.bundle)
    text = reason.text or reason.display
    if not (reason.code and text):
        raise RequestRefusedError(FieldProblem(f"{_ENCOUNTER}.reasonCode", "must hold a code, and say why in words"))
    by = responding.by(response.said.practitioner)
    return commands.Reject(
        reason_code=reason.code,
        reason_text=text,
        take_over=responding.may_be_anothers,
        bundle=response.raw,
        by=by,
    )


def _complete(stored: StoredCase, response: Response, responding: Responding) -> commands.Command:
    outcome = response.outcome
    command = commands.Complete(
        dispatch_required=bool(outcome.dispatch_required),
        arp=Priority.parse(outcome.arp),
        clock_start=outcome.clock_start,
        new_cad_id=outcome.new_cad_id,
        outcome=outcome.model_dump(mode="json", exclude_none=True),
        read_version=responding.read_version,
        take_over=responding.may_be_anothers,
        bundle=response.raw,
        by=responding.by(outcome.practitioner),
    )
    if moves(stored.case, command):
        _refuse(stored, response)
    return command


def _refuse(stored: StoredCase, response: Response) -> None:
    """The rules that an outcome in plain JSON keeps as well. Raises RequestRefusedError."""
    outcome, reason = response.outcome, "update" if stored.case.interim_sent else "new"
    broken = (
        (f"{_PLAN}.activity.outcomeCodeableConcept", Priority.parse(outcome.arp) is None, "must hold an ARP category"),
        (f"{_PLAN}.status", outcome.contradictory, "must agree with the ARP category"),
        (f"{_PLAN}.period.start", breaks_clock_start_rule(stored, outcome), "must keep the T5 rule"),
        (f"{_PLAN}.activity.outcomeReference", lacks_itk_reference(stored, outcome), "must name the ITK case"),
        (f"{_HEADER}.reason", response.checked.facts.reason != reason, f"must be {reason} here"),
    )
    problems = [FieldProblem(path, why) for path, is_broken, why in broken if is_broken]
    if problems:
        raise RequestRefusedError(*problems)


_INTERIM = frozenset({"DT-11"}), "an interim response: the consultation has started"
ACTIONS = {
    "accept": Action(rows=_INTERIM[0], wanted=_INTERIM[1], command=_accept),
    "start": Action(rows=_INTERIM[0], wanted=_INTERIM[1], command=_start),
    "reject": Action(rows=frozenset({"DT-12"}), wanted="a rejection: the own Encounter cancelled", command=reject),
    "complete": Action(rows=frozenset({"DT-13", "DT-14"}), wanted="a full validation response", command=_complete),
}
"""Those of a validation, by the names that the local API has for them."""
