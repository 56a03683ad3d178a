"""Webhooks: every subscriber gets the events of its services in order, signed, again and again until it takes them."""

from __future__ import annotations

import hashlib
import hmac
import logging
import random
from datetime import timedelta

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from cad_bridge.delivery.backoff import backoff
from cad_bridge.delivery.loop import SideBySide
from cad_bridge.delivery.transport import NoAnswerError, Transport
from cad_bridge.engine.core import Engine
from cad_bridge.store import claims
from cad_bridge.store.rows import Event, Subscription
from cad_bridge.workflow.vocabulary import EventType

log = logging.getLogger(__name__)

AT_ONCE = 20
"""Subscribers that this node serves at the same time."""
BATCH = 5
TIMEOUT_SECONDS = 5.0
# Longer than a whole batch can take, so that no second worker starts on the same subscriber meanwhile; no longer than
# needed, because a subscriber whose worker was killed waits for it.
LEASE = timedelta(seconds=BATCH * TIMEOUT_SECONDS + 10)
SIGNATURE_HEADER = "X-Cad-Bridge-Signature"


def sign(secret: str, body: bytes) -> str:
    """``sha256=`` and the HMAC-SHA256 of the exact body under the subscription's secret, in hexadecimal."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def is_for(event: Event, subscription: Subscription, *, local_service: str) -> bool:
    """Whether a subscriber gets an event: its services' events; from tier 1 up, only what nobody has acknowledged."""
    if local_service not in subscription.services:
        return False
    if subscription.tier == 0:
        return True
    repeated = event.type == EventType.ESCALATION_REPEATED
    return repeated and int(event.data.get("level", 0)) >= subscription.tier


class Webhooks:
    """Serves every subscription in the order of its events, and several of them side by side."""

    def __init__(self, engine: Engine, transport: Transport) -> None:
        self._engine = engine
        self._transport = transport
        self._under_way = SideBySide(AT_ONCE)

    @property
    def _database(self) -> AsyncEngine:
        return self._engine.database

    async def work(self) -> bool:
        """Serve one subscription that has events waiting, and wait for it; False when there is none."""
        begun = await self._begin()
        await self._under_way.all()
        return begun

    async def work_on(self) -> bool:
        """Begin with one more subscription: a subscriber that is slow or dead must not hold up the others."""
        begun = await self._begin()
        await self._under_way.some()
        return begun

    async def finish(self) -> None:
        """Settle what is on its way, so that no subscriber waits for a lease to pass after a restart in good order."""
        await self._under_way.finish()

    async def _begin(self) -> bool:
        if self._under_way.room <= 0:
            return False
        subscription = await claims.claim_subscription(self._database, now=self._engine.now(), lease=LEASE)
        if subscription is None:
            return False
        self._under_way.begin(self._serve_and_settle(subscription), name=f"subscription {subscription.id}")
        return True

    async def _serve_and_settle(self, subscription: Subscription) -> None:
        cursor, error = await self._serve(subscription)
        failures = 0 if error is None else subscription.failures + 1
        now = self._engine.now()
        pause = timedelta(0) if error is None else backoff(failures, chance=random.random())  # noqa: S311 - jitter
        await claims.settle_subscription(
            self._database,
            subscription.id,
            cursor=cursor,
            failures=failures,
            error=error,
            next_at=now + pause,
            now=now,
        )

    async def _serve(self, subscription: Subscription) -> tuple[int, str | None]:
        cursor = subscription.cursor
        for event, local_service in await claims.events_for(self._database, subscription, limit=BATCH):
            if is_for(event, subscription, local_service=local_service):
                error = await self._post(subscription, event)
                if error is not None:
                    log.warning("a subscriber did not take an event", extra={"subscription": str(subscription.id)})
                    return cursor, error
            cursor = event.cursor
        return cursor, None

    async def _post(self, subscription: Subscription, event: Event) -> str | None:
        body = orjson.dumps(event.as_contract())
        headers = {
            "Content-Type": "application/json",
            SIGNATURE_HEADER: sign(subscription.secret, body),
            "X-Cad-Bridge-Event": event.type,
            "X-Cad-Bridge-Delivery": str(event.id),
        }
        try:
            answer = await self._transport.post(subscription.url, body=body, headers=headers)
        except NoAnswerError as error:
            return f"no answer: {error}"
        return None if 200 <= answer.status < 300 else f"answered {answer.status}"
