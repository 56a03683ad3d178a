"""What the HTTP edge needs of the running service, put together by `app` and kept on the application."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncEngine

from cad_bridge.engine.core import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A local system that may call the local API."""

    name: str
    key_sha256: str
    services: tuple[str, ...]
    roles: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who may sign in on the board."""

    username: str
    name: str
    password_hash: str
    services: tuple[str, ...]
    roles: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundProxy:
    """The reverse proxy that ends mutual TLS for the BaRS side, and how it tells us who called."""

    address: str
    certificate_header: str
    certificate_value: str
    subject_header: str
    subjects: frozenset[str]
    allowed_organisations: frozenset[str] = frozenset()
    """ODS codes of the end user organisations that may call; empty: all."""
    denied_organisations: frozenset[str] = frozenset()
    """ODS codes of those that may not (CORE-ERR-RT-20)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebContext:
    """Everything the routes use; nothing here changes while the service runs."""

    engine: Engine
    clients: Mapping[str, Client]
    """By the SHA-256 of the key."""
    users: Mapping[str, User]
    inbound: InboundProxy | None
    maintenance: bool = False
    """Whether the BaRS side answers 503 while everything else goes on."""
    session_life: timedelta = timedelta(hours=12)
    secure_cookie: bool = False
    answer_within: float = 5.0
    """Seconds until a BaRS message is answered 408 (CORE-TI-25)."""
    figures: Callable[[], Mapping[str, float]] = field(default=dict)
    """Counters of the loops of this node, for the metrics."""
    on_events: Callable[[Callable[[], None]], Callable[[], None]] = field(default=lambda _: lambda: None)
    """Register a callback for "events were committed"; returns what takes it off again."""

    @property
    def database(self) -> AsyncEngine:
        """Our database."""
        return self.engine.database

    def now(self) -> datetime:
        """The time, aware UTC."""
        return self.engine.now()


def context_of(request: Request) -> WebContext:
    """The context of the application that serves a request."""
    context: WebContext = request.app.state.context
    return context


Json = dict[str, Any]
Services = Sequence[str]
