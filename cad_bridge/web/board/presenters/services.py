"""The services that cases can go to or come from, and how sending to each has gone of late."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cad_bridge.discovery.catalogue.health import EndpointHealth, EndpointState
from cad_bridge.web.board.presenters.moments import Shown, at
from cad_bridge.web.board.presenters.words import USE_CASES
from cad_bridge.web.known_services import KnownService

STATES = {
    EndpointState.FAILING: ("FAILING", "bad"),
    EndpointState.WORKING: ("Working", "good"),
    EndpointState.UNKNOWN: ("Nothing sent yet", ""),
}
_FIRST = (EndpointState.FAILING, EndpointState.WORKING, EndpointState.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLine:
    """One service in words."""

    name: str
    ods_code: str
    service_id: str
    is_ours: bool
    takes: tuple[str, ...]
    availability: str
    """Why nothing can be sent there now; empty where it can."""
    state: str
    tone: str
    failures: int
    last_success: Shown | None
    last_failure: Shown | None


def service_lines(known: Iterable[KnownService], *, ours: frozenset[str], now: datetime) -> tuple[ServiceLine, ...]:
    """Failing ones first, then those that work, then by name."""
    ordered = sorted(known, key=lambda service: (_FIRST.index(service.health.state), _name(service)))
    return tuple(_line(service, ours, now) for service in ordered)


def _line(service: KnownService, ours: frozenset[str], now: datetime) -> ServiceLine:
    entry, health = service.entry, service.health
    state, tone = STATES[health.state]
    return ServiceLine(
        name=_name(service),
        ods_code=entry.ods_code if entry is not None else "",
        service_id=health.service_id if entry is None else entry.service_id,
        is_ours=entry is not None and entry.service_id in ours,
        takes=tuple(USE_CASES.get(code, code) for code in sorted(entry.use_cases)) if entry is not None else (),
        availability=_availability(service),
        state=state,
        tone=tone,
        failures=health.failures_since_success,
        last_success=_shown(health.last_success_at, now),
        last_failure=_shown(_latest_failure(health), now),
    )


def _name(service: KnownService) -> str:
    return service.entry.name if service.entry is not None else "Unknown service"


def _availability(service: KnownService) -> str:
    if service.entry is None:
        return "Neither in the endpoint catalogue nor in the configuration"
    return "" if service.active else "Takes no messages now, says the endpoint catalogue"


def _latest_failure(health: EndpointHealth) -> datetime | None:
    """A failure that a success has followed is over."""
    return health.last_failure_at if health.state is EndpointState.FAILING else None


def _shown(moment: datetime | None, now: datetime) -> Shown | None:
    return at(moment, today=now) if moment is not None else None
