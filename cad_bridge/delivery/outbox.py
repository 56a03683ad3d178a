"""The outbox: every parcel is leased, sent outside any transaction, and settled in the commit of what it means.

On the wire this is at-least-once, and nothing can change that: the same bytes with the same two ids go again until
the other side has answered, and it recognises a repeat by them (CORE-TI-09). An answer we never saw is found out by
the 409 duplicate to the next try.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from cad_bridge.delivery.addresses import Addresses
from cad_bridge.delivery.backoff import backoff
from cad_bridge.delivery.calls import Called
from cad_bridge.delivery.loop import SideBySide
from cad_bridge.delivery.negotiate import Mode, Negotiator
from cad_bridge.delivery.readback import CHECKED_KINDS, ReadBefore
from cad_bridge.delivery.repeated_errors import RepeatedErrors
from cad_bridge.engine.core import Engine
from cad_bridge.engine.endpoint_health import note_attempt
from cad_bridge.engine.outcomes import Told, outcome_of
from cad_bridge.protocol.answers import Answer, no_answer
from cad_bridge.store import claims, queries
from cad_bridge.store.rows import Parcel
from cad_bridge.workflow.vocabulary import MessageKind

log = logging.getLogger(__name__)

AT_ONCE = 50
"""Parcels of this node on their way at the same time."""
LEASE = timedelta(seconds=60)
_MARGIN = timedelta(seconds=20)
GIVE_UP_AFTER = 12
"""Tries of a message that is not a request. A request is tried for as long as its case waits for it."""


@dataclass(slots=True)
class DeliveryState:
    """What the metrics show of the outbox of this node."""

    delivered: int = 0
    retried: int = 0
    refused: int = 0


class Outbox:
    """Sends what is in the outbox: through the BaRS proxy, or where `Addresses` says."""

    def __init__(
        self,
        engine: Engine,
        addresses: Addresses,
        *,
        node: str,
        negotiation: Mode = "off",
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._engine = engine
        self._addresses = addresses
        self._read_before = ReadBefore(engine)
        self._negotiator = Negotiator(engine, mode=negotiation)
        self._node = node
        self._chance = chance
        # Longer than a try can take, or a second worker would begin while the first is still waiting.
        self._lease = max(LEASE, timedelta(seconds=4 * addresses.timeout_seconds) + _MARGIN)
        self._under_way = SideBySide(AT_ONCE)
        self.state = DeliveryState()
        self.repeated = RepeatedErrors()

    async def work(self) -> bool:
        """Send one batch of due parcels and wait for all of it; False when there are none."""
        begun = await self._begin()
        await self._under_way.all()
        return begun

    async def work_on(self) -> bool:
        """Begin as many parcels as there is room for: one slow service must not hold up the others."""
        begun = await self._begin()
        await self._under_way.some()
        return begun

    async def finish(self) -> None:
        """Settle what is on its way, so that nothing waits for a lease to pass after a restart in good order."""
        await self._under_way.finish()

    @property
    def failures(self) -> int:
        """Parcels that could not be settled: their leases run out, and they are tried again."""
        return self._under_way.failures

    async def _begin(self) -> bool:
        parcels = await claims.claim_parcels(
            self._engine.database,
            node=self._node,
            now=self._engine.now(),
            lease=self._lease,
            limit=self._under_way.room,
        )
        for parcel in parcels:
            self._under_way.begin(self._deliver(parcel), name=f"parcel {parcel.id}")
        return bool(parcels)

    async def _deliver(self, parcel: Parcel) -> None:
        if not await self._still_wanted(parcel):
            await self._withdraw(parcel)
            return
        started = time.monotonic()
        called = await self._try(parcel)
        took_ms = (time.monotonic() - started) * 1000
        await self._settle(parcel, called.answer, called.body, took_ms=took_ms)

    async def _try(self, parcel: Parcel) -> Called:
        try:
            async with asyncio.timeout((self._lease - _MARGIN).total_seconds()):
                return await self._prepare_and_post(parcel)
        except TimeoutError:
            return Called(answer=no_answer())
        except Exception:
            # A try that failed here is a try: it must come to its end, and to a person, like any other.
            log.exception("a message could not be sent", extra={"outbox_id": str(parcel.id)})
            return Called(answer=no_answer())

    async def _prepare_and_post(self, parcel: Parcel) -> Called:
        calls = await self._addresses.calls_for(parcel)
        if isinstance(calls, Answer):
            return Called(answer=calls)
        cleared = await self._negotiator.clear(parcel, calls)
        if cleared.instead is not None:
            return Called(answer=cleared.instead)
        checked = await self._read_before.check(cleared.parcel, calls)
        if checked.instead is not None:
            return Called(answer=checked.instead)
        return await calls.post_message(checked.parcel.body, checked.parcel.headers)

    async def _still_wanted(self, parcel: Parcel) -> bool:
        """A request that nobody waits for any more would only start work; what follows one never sent is moot, too."""
        if parcel.kind == MessageKind.REQUEST:
            stored = await queries.case_by_id(self._engine.database, parcel.case_id)
            return stored is not None and stored.case.state == "sent"
        if parcel.kind in CHECKED_KINDS:
            return not await queries.request_was_withdrawn(self._engine.database, parcel.case_id)
        return True

    async def _withdraw(self, parcel: Parcel) -> None:
        async with self._engine.database.begin() as connection:
            await claims.settle_parcel(connection, parcel, state="withdrawn", at=self._engine.now(), tried=False)

    async def _settle(self, parcel: Parcel, answer: Answer, body: bytes | None, *, took_ms: float) -> None:
        engine, now = self._engine, self._engine.now()
        told = outcome_of(parcel, answer, body, last_try=parcel.attempts + 1 >= GIVE_UP_AFTER)
        async with engine.unit_of_work() as work:
            loaded = await work.lock_case(parcel.case_id)
            assert loaded is not None, "a parcel belongs to a case"
            await claims.record_attempt(
                work.connection,
                parcel,
                at=now,
                took_ms=took_ms,
                status=answer.http_status,
                verdict=answer.verdict.value,
                error=None if answer.is_delivered else _error(answer),
            )
            counts = True
            if told.settled_as is None:
                await claims.postpone_parcel(work.connection, parcel, next_attempt_at=now + self._pause(parcel, answer))
            elif await claims.settle_parcel(work.connection, parcel, state=told.settled_as, at=now):
                work.settle_message(parcel.message_id, status=answer.http_status, answer=body)
            else:
                counts = answer.is_delivered
            for command in told.commands if counts else ():
                await engine.decide_in(work, loaded, command, change=told.change)
            await note_attempt(work.connection, parcel.remote_service, answer, at=now, why=_error(answer))
            await work.commit()
        self._count(parcel, told, answer)

    def _pause(self, parcel: Parcel, answer: Answer) -> timedelta:
        asked = answer.retry_after.total_seconds() if answer.retry_after is not None else None
        return backoff(parcel.attempts + 1, chance=self._chance(), retry_after=asked)

    def _count(self, parcel: Parcel, told: Told, answer: Answer) -> None:
        match told.settled_as:
            case "delivered":
                self.state.delivered += 1
            case None:
                self.state.retried += 1
            case _:
                self.state.refused += 1
        self.repeated.note(parcel.remote_service, answer)
        if not answer.is_delivered:
            log.warning(
                "a message was not taken",
                extra={
                    "outbox_id": str(parcel.id),
                    "case_id": str(parcel.case_id),
                    "request_id": parcel.request_id,
                    "correlation_id": parcel.correlation_id,
                    "service": parcel.remote_service,
                    "status": answer.http_status,
                    "code": answer.code,
                    "issue_code": answer.issue_code,
                    "from": answer.origin.value,
                },
            )


def _error(answer: Answer) -> str:
    """Status and codes for the log and the case page; never the other side's own words, which may name a patient."""
    known = (str(answer.http_status or ""), answer.code, answer.issue_code)
    return " ".join(part for part in known if part) or "no answer"
