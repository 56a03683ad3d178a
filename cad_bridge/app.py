"""The composition root: settings in, a running service out. Nothing else knows all the parts."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from cad_bridge.clock import DatabaseClock
from cad_bridge.delivery.addresses import Addresses, RoutePolicy
from cad_bridge.delivery.calls import BarsCalls
from cad_bridge.delivery.loop import WorkLoop
from cad_bridge.delivery.outbox import Outbox
from cad_bridge.delivery.token import NoTokenError, TokenSettings, TokenSource, signed
from cad_bridge.delivery.transport import Transport
from cad_bridge.delivery.webhooks import TIMEOUT_SECONDS, Webhooks
from cad_bridge.engine.boundaries import BoundaryWatch, keep_shipped
from cad_bridge.engine.catalogue import Catalogue
from cad_bridge.engine.core import Engine
from cad_bridge.engine.discovery import Discovery
from cad_bridge.engine.receiving import Receiver
from cad_bridge.fhir.check import warm_up
from cad_bridge.geography import Geography, configured_services, opened_geography
from cad_bridge.protocol.receive import ReceiveContext
from cad_bridge.settings import BarsSection, ConfigFile, ConfigurationError
from cad_bridge.store import nodes
from cad_bridge.store.database import connect
from cad_bridge.store.failures import StorageError
from cad_bridge.store.listen import Listener
from cad_bridge.timers import Timers
from cad_bridge.web import board
from cad_bridge.web.application import build
from cad_bridge.web.context import Client, InboundProxy, User, WebContext

log = logging.getLogger(__name__)

FAILSAFE_CONNECTIONS = 2
"""Connections that only the failsafe uses: it must not queue behind traffic."""


@dataclass(slots=True)
class Service:
    """The parts of one running node."""

    engine: Engine
    app: FastAPI
    timers: Timers
    outbox: Outbox
    webhooks: Webhooks
    loops: tuple[WorkLoop, ...]
    listener: Listener
    broadcast: Broadcast
    boundaries: BoundaryWatch | None


class Broadcast:
    """Wakes everybody who follows the events: streams and boards."""

    def __init__(self) -> None:
        self._followers: set[Callable[[], None]] = set()

    def follow(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` at every commit with events; returns what ends it."""
        self._followers.add(wake)
        return lambda: self._followers.discard(wake)

    def wake(self) -> None:
        """Events were committed."""
        for follower in list(self._followers):
            follower()


@asynccontextmanager
async def running(
    config: ConfigFile,
    database_url: str,
    *,
    now: Callable[[], datetime] | None = None,
    background: bool = True,
    data_dir: Path | None = None,
    revive: Callable[[], None] | None = None,
) -> AsyncIterator[Service]:
    """A service on a migrated database. Without `background` nothing happens by itself, for tests that turn by hand.

    Boundary sets come from `data_dir`; without one those that are shipped stay in force. `revive` brings a database of
    our own back after its connections broke off; it may block, and may be called for one that is there.

    Raises:
        ConfigurationError: something that is configured can't be used.
    """
    clock = DatabaseClock()
    with opened_geography(config, data_dir) as geography:
        if geography.library is not None:
            keep_shipped(geography.library)
        database, failsafe = connect(database_url), connect(database_url, pool_size=FAILSAFE_CONNECTIONS)
        await clock.synchronise(database)
        async with (
            Transport(timeout_seconds=config.bars.timeout_seconds) as transport,
            Transport(timeout_seconds=TIMEOUT_SECONDS) as webhook_transport,
        ):
            databases, transports = (database, failsafe), (transport, webhook_transport)
            service = _assemble(config, database_url, databases, transports, now or clock, clock, geography)
            if background:
                _start(service, revive)
            try:
                yield service
            finally:
                if background:
                    await _stop(service)
                await board.close(service.app)
                await database.dispose()
                await failsafe.dispose()


def _assemble(  # noqa: PLR0917 - the composition root puts everything together
    config: ConfigFile,
    database_url: str,
    databases: tuple[AsyncEngine, AsyncEngine],
    transports: tuple[Transport, Transport],
    now: Callable[[], datetime],
    clock: DatabaseClock,
    geography: Geography,
) -> Service:
    site, node = config.site(), node_name()
    database, failsafe = databases
    discovery = Discovery(
        boundaries=geography.holder,
        sources=geography.sources,
        catalogue=Catalogue(database, now=now, new_id=uuid4, configured=configured_services(config)),
        now=now,
        new_id=uuid4,
        is_real_site=config.bars.inbound is not None,
    )
    engine = Engine(database=database, site=site, discovery=discovery, now=now)
    transport, webhook_transport = transports
    tokens = _tokens(config.bars, transport, now)
    outbox = Outbox(
        engine,
        _addresses(config.bars, engine, transport, tokens),
        node=node,
        negotiation=config.bars.negotiation,
    )
    webhooks = Webhooks(engine, webhook_transport)
    loops: tuple[WorkLoop, ...] = (
        WorkLoop("outbox", outbox.work_on, finish=outbox.finish),
        WorkLoop("webhooks", webhooks.work_on, finish=webhooks.finish),
    )
    boundaries = BoundaryWatch(geography.library, geography.holder) if geography.library is not None else None
    if boundaries is not None:
        loops = (*loops, WorkLoop("boundaries", boundaries.look))
    timers = Timers(
        Engine(database=failsafe, site=site, discovery=discovery, now=now),
        node=node,
        synchronise=(lambda: clock.synchronise(failsafe)) if now is clock else None,
    )
    broadcast = Broadcast()
    listener = Listener(database_url, on_topic=_topics(timers, loops, broadcast))
    context = _context(config, engine, broadcast, lambda: _figures(timers, outbox, loops, boundaries))
    warm_up()
    receiver = Receiver(engine, ReceiveContext(site=site))
    return Service(
        engine=engine,
        app=build(context, receiver),
        timers=timers,
        outbox=outbox,
        webhooks=webhooks,
        loops=loops,
        listener=listener,
        broadcast=broadcast,
        boundaries=boundaries,
    )


def _topics(timers: Timers, loops: tuple[WorkLoop, ...], broadcast: Broadcast) -> Mapping[str, Callable[[], None]]:
    outbox, webhooks, *_ = loops

    def events() -> None:
        webhooks.wake()
        broadcast.wake()

    return {"deadlines": timers.wake, "outbox": outbox.wake, "events": events}


def _start(service: Service, revive: Callable[[], None] | None) -> None:
    async def bring_back() -> None:
        if revive is not None:
            await asyncio.to_thread(revive)

    service.timers.start()
    service.listener.start(on_lost=bring_back)
    for loop in service.loops:
        loop.start()


async def _stop(service: Service) -> None:
    for loop in service.loops:
        await loop.stop()
    await service.listener.stop()
    await service.timers.stop()
    try:
        await nodes.forget(service.engine.database, node_name())
    except StorageError:
        log.warning("the database is gone: the heartbeat of this node stays behind")


def _addresses(bars: BarsSection, engine: Engine, transport: Transport, tokens: TokenSource | None) -> Addresses:
    proxy = BarsCalls(transport, base_url=bars.base_url, tokens=tokens)
    policy = RoutePolicy(direct=bars.direct, known_services_only=bars.known_services_only)
    return Addresses(engine, proxy, transport=transport, policy=policy)


def _tokens(bars: BarsSection, transport: Transport, now: Callable[[], datetime]) -> TokenSource | None:
    settings = _token_settings(bars)
    return TokenSource(settings, transport=transport, now=now) if settings is not None else None


def _token_settings(bars: BarsSection) -> TokenSettings | None:
    if bars.token_url is None:
        return None
    if bars.private_key_file is None:
        raise ConfigurationError("bars.private_key_file is needed where bars.token_url is set")
    return TokenSettings(
        url=bars.token_url,
        client_id=bars.client_id,
        key_id=bars.key_id,
        private_key_file=bars.private_key_file,
    )


def check_private_key(bars: BarsSection) -> None:
    """Whether access tokens can be asked for. Raises ConfigurationError.

    Only `check-config` is this strict: a service whose key is missing for a while must still watch its deadlines.
    """
    settings = _token_settings(bars)
    try:
        if settings is not None:
            signed({}, settings)
    except NoTokenError as error:
        raise ConfigurationError(f"bars.private_key_file: {error}") from error


def _context(
    config: ConfigFile, engine: Engine, broadcast: Broadcast, figures: Callable[[], Mapping[str, float]]
) -> WebContext:
    clients = [
        Client(name=c.name, key_sha256=c.key_sha256, services=tuple(c.services), roles=frozenset(c.roles))
        for c in config.client
    ]
    users = [
        User(
            username=u.username,
            name=u.name,
            password_hash=u.password_hash,
            services=tuple(u.services),
            roles=frozenset(u.roles),
        )
        for u in config.user
    ]
    return WebContext(
        engine=engine,
        clients={client.key_sha256: client for client in clients},
        users={user.username: user for user in users},
        inbound=_inbound(config.bars),
        maintenance=config.bars.maintenance,
        session_life=timedelta(hours=config.board.session_hours),
        secure_cookie=config.board.secure_cookie,
        figures=figures,
        on_events=broadcast.follow,
    )


def _inbound(bars: BarsSection) -> InboundProxy | None:
    section = bars.inbound
    if section is None:
        return None
    return InboundProxy(
        address=section.proxy_address,
        certificate_header=section.certificate_header,
        certificate_value=section.certificate_value,
        subject_header=section.subject_header,
        subjects=frozenset(section.subjects),
        allowed_organisations=frozenset(section.allowed_organisations),
        denied_organisations=frozenset(section.denied_organisations),
    )


def _figures(
    timers: Timers, outbox: Outbox, loops: tuple[WorkLoop, ...], boundaries: BoundaryWatch | None
) -> Mapping[str, float]:
    return {
        "deadlines_fired": timers.state.fired,
        "deadline_lateness_last_ms": timers.state.last_lateness_ms,
        "deadline_lateness_max_ms": timers.state.max_lateness_ms,
        "sweep_failures": timers.state.failures,
        "scheduler_faults": timers.state.scheduler_faults,
        "messages_delivered": outbox.state.delivered,
        "messages_retried": outbox.state.retried,
        "messages_refused": outbox.state.refused,
        "messages_unsettled": outbox.failures,
        "loop_failures": sum(loop.failures for loop in loops),
        "boundary_set_changes": boundaries.swaps if boundaries is not None else 0,
        "boundary_set_refused": float(boundaries is not None and boundaries.refused is not None),
    }


def node_name() -> str:
    """What this process is called in the heartbeats and leases."""
    return f"{socket.gethostname()}:{os.getpid()}"
