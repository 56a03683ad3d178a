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
from cad_bridge.delivery.negotiate import Mode, Negotiator
from cad_bridge.delivery.readback import CHECKED_KINDS, ReadBefore
from cad_bridge.engine.core import Engine
from cad_bridge.engine.endpoint_health import note_attempt
from cad_bridge.engine.outcomes import Told, outcome_of
from cad_bridge.protocol.answers import Answer
from cad_bridge.store import claims, queries
from cad_bridge.store.rows import Parcel
from cad_bridge.workflow.vocabulary import MessageKind

log = logging.getLogger(__name__)

AT_ONCE = 10
"""Parcels of this node on their way at the same time."""
LEASE = timedelta(seconds=60)
GIVE_UP_AFTER = 12
"""Tries of a message that is not a request. A request is tried for as long as its case waits for it."""


@dataclass(slots=True)
class DeliveryState:
    """What the metrics show of the outbox of this node."""

    delivered: int = 0
    retried: int = 0
    refused: int = 0
    failures: int = 0


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
        self._under_way: set[asyncio.Task[None]] = set()
        self.state = DeliveryState()

    async def work(self) -> bool:
        """Send one batch of due parcels and wait for all of it; False when there are none."""
        begun = await self._begin()
        if self._under_way:
            await asyncio.wait(self._under_way)
        return begun

    async def work_on(self) -> bool:
        """Begin as many parcels as there is room for: one slow service must not hold up the others."""
        begun = await self._begin()
        if len(self._under_way) >= AT_ONCE:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        return begun

    async def _begin(self) -> bool:
        parcels = await claims.claim_parcels(
            self._engine.database,
            node=self._node,
            now=self._engine.now(),
            lease=LEASE,
            limit=AT_ONCE - len(self._under_way),
        )
        for parcel in parcels:
            task = asyncio.create_task(self._deliver(parcel), name=f"parcel {parcel.id}")
            self._under_way.add(task)
            task.add_done_callback(self._done)
        return bool(parcels)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # The lease runs out and the parcel is tried again; the failure must not pass unseen meanwhile.
            self.state.failures += 1
            log.error("a parcel could not be settled", exc_info=task.exception())

    async def _deliver(self, parcel: Parcel) -> None:
        if not await self._still_wanted(parcel):
            await self._withdraw(parcel)
            return
        started = time.monotonic()
        called = await self._prepare_and_post(parcel)
        took_ms = (time.monotonic() - started) * 1000
        await self._settle(parcel, called.answer, called.body, took_ms=took_ms)

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
            await claims.settle_parcel(connection, parcel, state="withdrawn", at=self._engine.now())

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
            if told.settled_as is None:
                await claims.postpone_parcel(work.connection, parcel, next_attempt_at=now + self._pause(parcel, answer))
            else:
                await claims.settle_parcel(work.connection, parcel, state=told.settled_as, at=now)
                work.settle_message(parcel.message_id, status=answer.http_status, answer=body)
            for command in told.commands:
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
        if not answer.is_delivered:
            log.warning(
                "a message was not taken",
                extra={
                    "outbox_id": str(parcel.id),
                    "case_id": str(parcel.case_id),
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
