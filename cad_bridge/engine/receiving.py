"""A BaRS message arrives: kept, judged, decided and committed before it is answered.

The bytes are kept in a commit of their own first, so that a message that is refused, or whose work crashes, is there
for audit. The verdict is written in the commit of the work: a repeat is a duplicate only if the work is there too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cad_bridge.engine.core import Engine
from cad_bridge.engine.inbound_referrals import alert_forbidden_refusal, inbound_for
from cad_bridge.engine.lookup import conversations_for
from cad_bridge.engine.mismatches import alert_unknown_response
from cad_bridge.engine.verdicts import AnswerWindow, Reply, issue_as_json, plain_refusal, refusal
from cad_bridge.protocol.errors import DUPLICATE, TOO_EARLY, Fault, Refused
from cad_bridge.protocol.headers import RequestHeaders
from cad_bridge.protocol.receive import ReceiveContext, judge, open_message
from cad_bridge.store.rows import NewMessage
from cad_bridge.store.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message that is kept and waits for its verdict."""

    message_id: UUID
    raw: bytes
    headers: RequestHeaders


class Receiver:
    """Receives the messages of all local services."""

    def __init__(self, engine: Engine, context: ReceiveContext) -> None:
        self._engine = engine
        self._context = context

    async def keep(
        self, raw: bytes, *, headers: Mapping[str, Any], request_id: str | None, correlation_id: str | None
    ) -> UUID:
        """Commit the exact bytes and headers, before anything is made of them (CORE-TI-20)."""
        message_id = self._engine.new_id()
        async with self._engine.unit_of_work() as work:
            work.add_message(
                NewMessage(
                    id=message_id,
                    direction="in",
                    at=self._engine.now(),
                    body=raw,
                    headers=dict(headers),
                    request_id=request_id,
                    correlation_id=correlation_id,
                )
            )
            await work.commit()
        return message_id

    async def settle(self, message_id: UUID, reply: Reply) -> None:
        """Note what a kept message was answered, where no work was done for it."""
        async with self._engine.unit_of_work() as work:
            self._note(work, message_id, reply)
            await work.commit()

    def plain(self, fault: Fault, diagnostics: str | None = None) -> Reply:
        """The answer for a fault that is about no element of a message."""
        return plain_refusal(
            fault, new_id=self._engine.new_id(), ods_code=self._engine.ods_code, diagnostics=diagnostics
        )

    def refuse(self, refused: Refused) -> Reply:
        """The answer for a refusal."""
        return refusal(refused, new_id=self._engine.new_id(), ods_code=self._engine.ods_code)

    async def process(self, arrival: Arrival, window: AnswerWindow) -> Reply:
        """Judge a kept message and do what it says. Whatever is raised has left nothing behind but the bytes."""
        async with self._engine.unit_of_work() as work:
            early = await self._repeated(work, arrival)
            if early is not None:
                self._note(work, arrival.message_id, early)
                await work.commit()
                return early
            outcome = await self._judge_and_act(work, arrival)
            if isinstance(outcome, Refused):
                reply = self.refuse(outcome)
                self._note(work, arrival.message_id, reply)
            else:
                reply = outcome
            return await self._commit(work, arrival, reply, window)

    async def _repeated(self, work: UnitOfWork, arrival: Arrival) -> Reply | None:
        """425 while the first attempt is in work, 409 after its success, its own refusal after a 408 (decision 12)."""
        if not await work.try_request_lock(arrival.headers.request_id):
            return self.plain(TOO_EARLY)
        receipt = await work.receipt(arrival.headers.request_id)
        if receipt is None:
            return None
        if receipt.succeeded:
            return self.plain(DUPLICATE)
        return Reply(status=receipt.status, body=receipt.answer)

    async def _judge_and_act(self, work: UnitOfWork, arrival: Arrival) -> Reply | Refused:
        opened = open_message(arrival.raw, headers=arrival.headers, context=self._context)
        if isinstance(opened, Refused):
            return opened
        found = await conversations_for(work.connection, opened.facts, arrival.headers)
        accepted = judge(opened, context=self._context, conversations=found)
        if isinstance(accepted, Refused):
            await alert_forbidden_refusal(self._engine, work, opened, found)
            await alert_unknown_response(self._engine, work, opened.facts, opened.headers, found)
            return accepted
        inbound = inbound_for(accepted.facts)(
            engine=self._engine,
            work=work,
            message_id=arrival.message_id,
            raw=arrival.raw,
            headers=arrival.headers,
            accepted=accepted,
            candidates=found,
        )
        return await inbound.act()

    async def _commit(self, work: UnitOfWork, arrival: Arrival, reply: Reply, window: AnswerWindow) -> Reply:
        # From here to the end of the commit the edge waits for us (see AnswerWindow).
        window.committing = not window.expired
        if reply.status < 400 or window.expired:
            work.give_verdict(
                request_id=arrival.headers.request_id,
                correlation_id=arrival.headers.correlation_id,
                message_id=arrival.message_id,
                at=self._engine.now(),
                status=reply.status,
                answer=reply.body,
                inherited=window.expired,
            )
        await work.commit()
        return reply

    def _note(self, work: UnitOfWork, message_id: UUID, reply: Reply) -> None:
        work.settle_message(
            message_id,
            status=reply.status,
            answer=reply.body,
            issues=[issue_as_json(issue) for issue in reply.issues],
        )
