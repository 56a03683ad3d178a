"""An accepted message becomes a new case or a command to one: what each row of the decision table does here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import orjson

from cad_bridge.engine.core import Engine
from cad_bridge.engine.corrections import collisions, refused_update
from cad_bridge.engine.location import location_warnings
from cad_bridge.engine.messages import own_encounter
from cad_bridge.engine.mismatches import OPEN_RESPONDER_STATES, Unfitting, not_held, still_open
from cad_bridge.engine.received_cases import issue_ids, received_case
from cad_bridge.engine.times import time_warnings
from cad_bridge.engine.verdicts import Reply, issue_as_json
from cad_bridge.fhir.build_acknowledgement import acknowledgement_bundle
from cad_bridge.fhir.content import ReceivedRequest
from cad_bridge.fhir.encounters import EncounterFacts
from cad_bridge.fhir.facts import Facts, read_facts
from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.merge import Merged, merge_update
from cad_bridge.fhir.read_request import read_request
from cad_bridge.fhir.read_response import read_outcome, read_rejection
from cad_bridge.fhir.same_patient import names_another_patient
from cad_bridge.protocol.addressing import KnownConversation
from cad_bridge.protocol.errors import CONFLICT, NOT_SUPPORTED, Fault, Refused
from cad_bridge.protocol.headers import RequestHeaders
from cad_bridge.protocol.receive import Accepted
from cad_bridge.store import queries
from cad_bridge.store.rows import Loaded, StoredCase
from cad_bridge.store.unit_of_work import UnitOfWork
from cad_bridge.workflow import commands
from cad_bridge.workflow.decide import begin, moves
from cad_bridge.workflow.vocabulary import Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """One accepted message in its unit of work."""

    engine: Engine
    work: UnitOfWork
    message_id: UUID
    raw: bytes
    headers: RequestHeaders
    accepted: Accepted
    candidates: Sequence[KnownConversation]

    async def act(self) -> Reply | Refused:
        """Do what the message says; a refusal leaves nothing of it."""
        if self.accepted.foreign:
            return await self._foreign()
        action = self._action()
        if action is None:
            return self._refused(NOT_SUPPORTED, "This kind of message is not handled by this service.")
        return await action

    def _action(self) -> Awaitable[Reply | Refused] | None:
        """What the decision row asks for, begun; None for a row that this kind of conversation does not have."""
        action = _ACTIONS.get(self.accepted.row.id)
        return None if action is None else action(self)

    def _opened(self, stored: StoredCase, content: ReceivedRequest) -> StoredCase:
        """A new case with what its kind of conversation adds: here, what is doubtful about the place (H04)."""
        found = location_warnings(content.incident_location, sources=self.engine.discovery.sources)
        return stored.evolve(warnings=(*stored.warnings, *(issue_as_json(issue) for issue in found)))

    def _updated(self, stored: StoredCase, content: ReceivedRequest) -> StoredCase:
        """The same for a case that an update has changed."""
        return self._opened(stored, content)

    # --- requests: we are the responder ------------------------------------------------------------

    async def open_case(self) -> Reply | Refused:
        """DT-02: a case of ours, with the duty to look at it."""
        facts = self.accepted.facts
        if await self._is_held():
            return self._conflict("This request is held here already and is current; send an update.")
        now = self.engine.now()
        content, found = read_request(self.accepted.bundle)
        issues = [*found, *time_warnings(facts, now=now)]
        new = await received_case(self.engine, self.work, self.accepted, self.headers)
        warnings = tuple(issue_as_json(issue) for issue in (*self.accepted.warnings, *issues))
        said = content.model_dump(mode="json", exclude_none=True)
        stored = self._opened(new.evolve(content=said, warnings=warnings), content)
        decision = begin(stored.case, now=now, policy=self.accepted.service.policy)
        stored = stored.evolve(case=decision.case)
        body = acknowledgement_bundle(
            self.raw, issued_ids=stored.conversation.issued_ids, encounter=own_encounter(stored)
        )
        self.work.add_case(stored)
        self.work.hold_request(stored.id, self.raw, at=now)
        await self.engine.apply(
            self.work, stored, decision, before=None, by=facts.source_endpoint or "", now=now, request=self.raw
        )
        return self._done(stored, kind="request", body=body, issues=issues)

    async def _is_held(self) -> bool:
        """The very ServiceRequest of this conversation, still current: a second `new` contradicts it (CORE-MH-08)."""
        same = [item for item in self.candidates if item.correlation_id.lower() == self.headers.correlation_id]
        held = await self.work.lock_cases([item.case_id for item in same])
        return any(
            loaded.stored.case.state in OPEN_RESPONDER_STATES
            and loaded.stored.conversation.service_request_full_url == self.accepted.facts.sr_full_url
            for loaded in held.values()
        )

    async def update(self) -> Reply | Refused:
        """DT-04: merged resource by resource, all or nothing (CORE-UPD-01 to CORE-UPD-06)."""
        loaded = await self._held_case("update")
        if loaded is None:
            return not_held("CORE-UPD-10")
        if self._is_weak(loaded) and await self._is_of_another_patient(loaded):
            return await self._unfitting("update").of_another_patient(loaded)
        held = await queries.held_request(self.work.connection, loaded.stored.id)
        assert held is not None, "a received case holds its request"
        conversation = loaded.stored.conversation
        merged = merge_update(
            held,
            self.raw,
            issued_ids=conversation.issued_ids,
            own_full_urls=frozenset({conversation.encounter_full_url}),
        )
        return await self._take_update(loaded, merged)

    async def _take_update(self, loaded: Loaded, merged: Merged) -> Reply | Refused:
        bundle = orjson.loads(merged.body)
        content, issues = read_request(bundle)
        facts = read_facts(bundle)
        if collided := collisions(loaded.stored, content):
            return await self._collided(loaded, collided)
        command = self._update_command(facts, content, merged.changed)
        known = loaded.stored.conversation.issued_ids
        ids = known | issue_ids(self.accepted.bundle, new_id=self.engine.new_id, known=known)
        issues = [*issues, *merged.issues]
        found = tuple(issue_as_json(issue) for issue in (*self.accepted.warnings, *issues))

        def change(stored: StoredCase) -> StoredCase:
            changed = stored.evolve(
                content=content.model_dump(mode="json", exclude_none=True),
                warnings=found,
                conversation=replace(stored.conversation, issued_ids=ids),
            )
            return self._updated(changed, content)

        handled = await self.engine.decide_in(self.work, loaded, command, change=change)
        if handled.decision.refusal is not None:
            return self._conflict(handled.decision.refusal.why)
        self.work.hold_request(handled.stored.id, merged.body, at=self.engine.now())
        body = acknowledgement_bundle(self.raw, issued_ids=ids, encounter=own_encounter(handled.stored))
        return self._done(handled.stored, kind="update", body=body, issues=issues)

    async def _collided(self, loaded: Loaded, parts: tuple[str, ...]) -> Refused:
        command = commands.UpdateCollided(parts=parts, by=self.accepted.facts.source_endpoint or "")
        handled = await self.engine.decide_in(self.work, loaded, command)
        is_open = handled.stored.case.state in OPEN_RESPONDER_STATES
        return refused_update(parts) if is_open else self._conflict("The request is no longer current.")

    def _update_command(self, facts: Facts, content: ReceivedRequest, changed: tuple[str, ...]) -> commands.Command:
        del content
        return commands.UpdateReceived(
            changed=changed,
            arp=Priority.parse(facts.arp),
            clock_start=facts.careplan_period_start,
            breach_at=facts.occurrence_end,
            by=self.accepted.facts.source_endpoint or "",
        )

    async def cancel(self) -> Reply | Refused:
        """DT-09, DT-09b: the requester no longer wants it; only something current can be cancelled (G-03)."""
        loaded = await self._held_case("cancellation")
        if loaded is None:
            return not_held("CORE-CAN-06")
        if await self._is_of_another_patient(loaded):
            return await self._unfitting("cancellation").of_another_patient(loaded)
        facts = self.accepted.facts
        command = commands.CancellationReceived(status=facts.sr_status or "", by=facts.source_endpoint or "")
        handled = await self.engine.decide_in(self.work, loaded, command)
        if handled.decision.refusal is not None:
            return self._conflict(handled.decision.refusal.why)
        body = acknowledgement_bundle(
            self.raw,
            issued_ids=handled.stored.conversation.issued_ids,
            encounter=own_encounter(handled.stored, period_end=self.engine.now()),
        )
        return self._done(handled.stored, kind="cancellation", body=body)

    async def _held_case(self, message: str) -> Loaded | None:
        """The one case that is meant: the only one found, else the only one that is current (decision 7).

        Where there is none, a person of each case that it may have meant is told.
        """
        held = list((await self.work.lock_cases([item.case_id for item in self.candidates])).values())
        if len(held) > 1:
            held = still_open(held)
        if len(held) == 1:
            return held[0]
        await self._unfitting(message).raise_unheld(held)
        return None

    def _unfitting(self, message: str) -> Unfitting:
        return Unfitting(
            engine=self.engine,
            work=self.work,
            message_id=self.message_id,
            facts=self.accepted.facts,
            kind=message,
        )

    def _is_weak(self, loaded: Loaded) -> bool:
        """Whether nothing but a fullUrl, which senders reuse, says that the message means this case."""
        return any(item.is_weak for item in self.candidates if item.case_id == loaded.stored.id)

    async def _is_of_another_patient(self, loaded: Loaded) -> bool:
        held = await queries.held_request(self.work.connection, loaded.stored.id)
        assert held is not None, "a received case holds its request"
        return names_another_patient(orjson.loads(held), self.accepted.bundle)

    # --- responses: we are the requester -----------------------------------------------------------

    async def interim(self) -> Reply | Refused:
        """DT-11: the responder has started."""
        command = commands.InterimReceived(remote_case_number=self._responder_case_number(), by=self._responder())
        return await self._respond("interim", command)

    async def rejection(self) -> Reply | Refused:
        """DT-12, DT-12b: the case is ours again."""
        reason = read_rejection(self.accepted.bundle)
        command = commands.RejectionReceived(
            reason_code=reason.code,
            reason_text=reason.text or reason.display,
            remote_case_number=self._responder_case_number(),
            by=self._responder(),
        )
        return await self._respond("rejection", command)

    async def final(self) -> Reply | Refused:
        """DT-13, DT-14: the full validation response."""
        outcome, issues = read_outcome(self.accepted.bundle)
        kept = outcome.model_dump(mode="json", exclude_none=True)
        command = commands.FinalReceived(
            dispatch_required=outcome.dispatch_required is not False,
            contradictory=outcome.contradictory or outcome.dispatch_required is None,
            arp=Priority.parse(outcome.arp),
            clock_start=outcome.clock_start,
            message_time=self.accepted.facts.bundle_last_updated,
            new_cad_id=outcome.new_cad_id,
            remote_case_number=self._responder_case_number(),
            outcome=kept,
            needs_review=self._needs_review(outcome.arp),
            by=self._responder(),
        )
        return await self._respond("final", command, outcome=kept, issues=issues)

    def _needs_review(self, arp: str | None) -> bool:
        """HCP codes, and every outcome of a service that has no approved triage system (APP4-VS-24)."""
        conversation = self.accepted.conversation
        assert conversation is not None, "a response that is not foreign has its conversation"
        remote = self.engine.site.remote(conversation.remote_service)
        return not remote.approved_triage or (arp or "").upper().startswith(("HCP", "HP4T"))

    async def _respond(
        self,
        kind: str,
        command: commands.Command,
        *,
        outcome: dict[str, object] | None = None,
        issues: Sequence[Issue] = (),
    ) -> Reply | Refused:
        conversation = self.accepted.conversation
        assert conversation is not None, "a response that is not foreign has its conversation"
        loaded = await self.work.lock_case(conversation.case_id)
        assert loaded is not None, "a conversation has its case"
        taken = outcome if outcome is not None and moves(loaded.stored.case, command) else None
        found = tuple(issue_as_json(issue) for issue in (*self.accepted.warnings, *issues))

        def change(stored: StoredCase) -> StoredCase:
            stored = stored.evolve(
                warnings=(*stored.warnings, *(item for item in found if item not in stored.warnings))
            )
            return stored.evolve(outcome=taken) if taken is not None else stored

        handled = await self.engine.decide_in(self.work, loaded, command, change=change)
        if handled.decision.refusal is not None:
            return self._conflict(handled.decision.refusal.why)
        return self._done(handled.stored, kind=kind, body=self.raw, issues=issues)

    def _responder(self) -> str:
        return self.accepted.facts.source_endpoint or ""

    def _responder_case_number(self) -> str | None:
        encounter: EncounterFacts | None = self.accepted.decision.encounter
        return encounter.identifier_value if encounter is not None else None

    async def _foreign(self) -> Reply | Refused:
        """A response that names our request but is not of its conversation: for a person, and disarms nothing."""
        ids = [item.case_id for item in self.candidates]
        came_from = self.accepted.facts.source_endpoint or "an unnamed service"
        command = commands.UnrecognisedResponse(came_from=came_from, by=came_from)
        handled = [
            await self.engine.decide_in(self.work, loaded, command)
            for loaded in (await self.work.lock_cases(ids)).values()
        ]
        return self._done(handled[0].stored, kind="unrecognised-response", body=self.raw)

    # --- answers -----------------------------------------------------------------------------------

    def _done(self, stored: StoredCase, *, kind: str, body: bytes, issues: Sequence[Issue] = ()) -> Reply:
        conversation = stored.conversation
        found = (*self.accepted.warnings, *issues)
        self.work.settle_message(
            self.message_id,
            case_id=stored.id,
            kind=kind,
            bundle_id=self.accepted.facts.bundle_id,
            local_service=conversation.local_service,
            remote_service=conversation.remote_service,
            status=200,
            answer=body,
            issues=[issue_as_json(issue) for issue in found],
        )
        return Reply(status=200, body=body, issues=tuple(found))

    def _conflict(self, why: str) -> Refused:
        return Refused.because(
            CONFLICT,
            why,
            expression="Bundle.entry.resource.ofType(ServiceRequest).status",
            rule="G-03",
        )

    def _refused(self, fault: Fault, why: str) -> Refused:
        return Refused.because(fault, why, expression="Bundle", rule=self.accepted.row.id)


_ACTIONS: dict[str, Callable[[Inbound], Awaitable[Reply | Refused]]] = {
    "DT-02": Inbound.open_case,
    "DT-04": Inbound.update,
    "DT-09": Inbound.cancel,
    "DT-09b": Inbound.cancel,
    "DT-11": Inbound.interim,
    "DT-12": Inbound.rejection,
    "DT-12b": Inbound.rejection,
    "DT-13": Inbound.final,
    "DT-14": Inbound.final,
}
