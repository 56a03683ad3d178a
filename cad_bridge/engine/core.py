"""`Engine.handle`: lock the case, decide, render, commit. One path for people, messages and timers alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from cad_bridge.engine.apply import Application
from cad_bridge.engine.discovery import Discovery
from cad_bridge.engine.messages import MessageWriter, is_our_cancellation, needs_request
from cad_bridge.engine.referral_messages import is_made_elsewhere, without_own_updates
from cad_bridge.fhir.echo import with_ids_since_issued
from cad_bridge.protocol.services import Site
from cad_bridge.store import queries
from cad_bridge.store.rows import Loaded, StoredCase
from cad_bridge.store.unit_of_work import UnitOfWork
from cad_bridge.workflow.case import EscalationFacts
from cad_bridge.workflow.commands import AcknowledgeEscalation, AcknowledgementOverdue, Command
from cad_bridge.workflow.decide import decide
from cad_bridge.workflow.effects import Decision, Send
from cad_bridge.workflow.policy import Policy


class NoSuchCaseError(LookupError):
    """There is no case of that id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What a command came to: the case as it is now, and the decision."""

    stored: StoredCase
    decision: Decision


class Engine:
    """Everything that changes a case goes through here.

    `discovery` says where a case lies and who is responsible there. `now` gives the time as aware UTC; production
    passes the database's clock, tests one that they move by hand.
    """

    def __init__(
        self,
        *,
        database: AsyncEngine,
        site: Site,
        discovery: Discovery,
        now: Callable[[], datetime],
        new_id: Callable[[], UUID] = uuid4,
    ) -> None:
        self.database = database
        self.site = site
        self.discovery = discovery
        self.now = now
        self.new_id = new_id
        self.writer = MessageWriter(site=site, new_id=new_id)

    @property
    def ods_code(self) -> str:
        """The organisation that speaks where no service of ours is known to be meant."""
        return next((service.ods_code for service in self.site.services.values()), "unconfigured")

    def unit_of_work(self) -> UnitOfWork:
        """A fresh unit of work on our database."""
        return UnitOfWork(self.database)

    def policy(self, stored: StoredCase) -> Policy:
        """The policy of the local service of a case; the defaults where it is configured no longer."""
        service = self.site.service(stored.conversation.local_service)
        return service.policy if service is not None else Policy()

    async def handle(
        self, case_id: UUID, command: Command, *, change: Callable[[StoredCase], StoredCase] | None = None
    ) -> Handled:
        """Decide one command under the lock of its case and commit what follows.

        `change` adds what lies outside the facts that decide, such as ids that a responder issued; it is called with
        the locked case. Raises NoSuchCaseError.
        """
        async with self.unit_of_work() as work:
            loaded = await work.lock_case(case_id)
            if loaded is None:
                raise NoSuchCaseError
            handled = await self.decide_in(work, loaded, command, change=change)
            if handled.decision.refusal is None:
                await work.commit()
            return handled

    async def decide_in(
        self,
        work: UnitOfWork,
        loaded: Loaded,
        command: Command,
        *,
        change: Callable[[StoredCase], StoredCase] | None = None,
    ) -> Handled:
        """Decide on a case that is locked in `work`, and add the writes; the caller commits."""
        now = self.now()
        decision = decide(
            loaded.stored.case,
            command,
            now=now,
            policy=self.policy(loaded.stored),
            escalation=_meant(loaded, command),
        )
        if decision.refusal is not None:
            return Handled(stored=loaded.stored, decision=decision)
        decision = without_own_updates(decision, loaded.stored.conversation)
        stored = change(loaded.stored) if change is not None else loaded.stored
        if decision.case == loaded.stored.case and stored == loaded.stored and not decision.effects:
            return Handled(stored=stored, decision=decision)
        stored = stored.evolve(case=decision.case, updated_at=now)
        work.save_case(stored)
        await self.apply(work, stored, decision, before=loaded, by=command.by, now=now)
        return Handled(stored=stored, decision=decision)

    async def update_now(self, case_id: UUID, body: bytes) -> bytes:
        """A queued update with the ids that were issued while it waited; a CAD's own message stays as it is."""
        stored = await queries.case_by_id(self.database, case_id)
        assert stored is not None, "a queued message belongs to a case"
        if is_made_elsewhere(stored.conversation):
            return body
        return with_ids_since_issued(body, stored.conversation.issued_ids)

    async def cancellation_on(self, case_id: UUID, body: bytes, current: bytes) -> bytes:
        """A queued cancellation made anew on the version of the request that was just read back.

        A CAD's own message stays as it is.
        """
        async with self.database.connect() as connection:
            request = await queries.held_request(connection, case_id)
        stored = await queries.case_by_id(self.database, case_id)
        if not is_our_cancellation(body):
            return body
        assert request is not None, "a queued message belongs to a case with a request"
        assert stored is not None, "a queued message belongs to a case"
        return self.writer.rewrite_cancellation(stored, body, request=request, current=current, now=self.now())

    async def apply(
        self,
        work: UnitOfWork,
        stored: StoredCase,
        decision: Decision,
        *,
        before: Loaded | None,
        by: str,
        now: datetime,
        request: bytes | None = None,
    ) -> None:
        """Add the writes of a decision to `work`; `request` saves reading the request again."""
        if request is None and any(needs_request(effect) for effect in decision.of(Send)):
            request = await queries.held_request(work.connection, stored.id)
        Application(
            work=work,
            stored=stored,
            before=before,
            decision=decision,
            now=now,
            by=by,
            new_id=self.new_id,
            render=lambda case, send: self.writer.write(case, send, request=request, now=now),
        ).run()


def _meant(loaded: Loaded, command: Command) -> EscalationFacts | None:
    if not isinstance(command, AcknowledgeEscalation | AcknowledgementOverdue):
        return None
    return next((item for item in loaded.escalations if item.id == command.escalation_id), None)
