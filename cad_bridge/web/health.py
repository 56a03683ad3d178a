"""Health and metrics. Nobody depends on a timer to notice that the timer died: each answer asks the database."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from cad_bridge.discovery.catalogue.health import EndpointHealth
from cad_bridge.engine.endpoint_health import endpoint_health
from cad_bridge.store.failures import StorageError
from cad_bridge.store.nodes import FailsafeHealth, failsafe_health
from cad_bridge.store.plain import as_json
from cad_bridge.web.context import context_of

log = logging.getLogger(__name__)
router = APIRouter(tags=["health"])

NO_DATABASE = "the database does not answer"


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/health/ready")
async def ready(request: Request) -> JSONResponse:
    """The database answers and the failsafe is on time: this node may be sent work."""
    context = context_of(request)
    try:
        health = await failsafe_health(context.database)
    except StorageError:
        return _without_database()
    return _answer(health.faults(now=context.now()), {})


@router.get("/health/failsafe")
async def failsafe(request: Request) -> JSONResponse:
    """How the failsafe stands in the whole installation, what has not been delivered, and how endpoints are doing."""
    context = context_of(request)
    try:
        health = await failsafe_health(context.database)
        endpoints = [endpoint_view(record) for record in await endpoint_health(context.database)]
    except StorageError:
        return _without_database()
    boundaries = context.engine.discovery.boundaries.current.version
    more = {"endpoints": endpoints, "boundary_version": boundaries}
    return _answer(health.faults(now=context.now()), _figures(health) | more)


def _figures(health: FailsafeHealth) -> dict[str, Any]:
    return {
        "last_sweep_at": health.last_sweep_at.isoformat() if health.last_sweep_at else None,
        "oldest_due": health.oldest_due.isoformat() if health.oldest_due else None,
        "open_escalations": health.open_escalations,
        "undelivered": health.undelivered,
        "failing_subscriptions": health.failing_subscriptions,
    }


def _without_database() -> JSONResponse:
    """Red, and loudly: nothing can be armed, and nothing that is due can fire, until it is back."""
    log.exception(NO_DATABASE)
    return _answer([NO_DATABASE], {})


def _answer(faults: list[str], more: dict[str, Any]) -> JSONResponse:
    body = {"status": "ok" if not faults else "failing", "faults": faults} | more
    return JSONResponse(body, status_code=503 if faults else 200)


_HELP = {
    "open_escalations": "Escalations that nobody has acknowledged.",
    "undelivered": "Messages that have been tried and have not arrived.",
    "failing_subscriptions": "Webhooks whose last try failed.",
}


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Prometheus text format. Counts and times only: no label ever names a case or a person."""
    context = context_of(request)
    registry = CollectorRegistry()
    for name, value in context.figures().items():
        Gauge(f"cad_bridge_{name}", "Counted by this node.", registry=registry).set(value)
    answers = Gauge(
        "cad_bridge_database_up", "Whether the database answers; 0: no deadline can fire.", registry=registry
    )
    try:
        health = await failsafe_health(context.database)
        for name, (meaning, value) in _gauges(health, now=context.now()).items():
            Gauge(f"cad_bridge_{name}", meaning, registry=registry).set(value)
        _add_endpoints(registry, await endpoint_health(context.database))
        answers.set(1)
    except StorageError:
        log.exception(NO_DATABASE)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _gauges(health: FailsafeHealth, *, now: datetime) -> dict[str, tuple[str, float]]:
    gauges = {name: (meaning, float(getattr(health, name))) for name, meaning in _HELP.items()}
    if health.last_sweep_at is not None:
        age = (now - health.last_sweep_at).total_seconds()
        gauges["failsafe_sweep_age_seconds"] = ("Seconds since the last good sweep of any node.", age)
    overdue = max(0.0, (now - health.oldest_due).total_seconds()) if health.oldest_due else 0.0
    return gauges | {"failsafe_overdue_seconds": ("How long the oldest due deadline has been waiting.", overdue)}


def endpoint_view(record: EndpointHealth) -> dict[str, Any]:
    """How sending to one service has gone of late. A service that fails says nothing about the failsafe."""
    view: dict[str, Any] = as_json(
        {
            "service_id": record.service_id,
            "state": record.state,
            "last_success_at": record.last_success_at,
            "last_failure_at": record.last_failure_at,
            "failures_since_success": record.failures_since_success,
            "last_failure": record.last_failure or None,
        }
    )
    return view


def _add_endpoints(registry: CollectorRegistry, records: Iterable[EndpointHealth]) -> None:
    failures = Gauge(
        "cad_bridge_endpoint_failures",
        "Attempts to deliver to a service that failed since the last that succeeded.",
        ["service"],
        registry=registry,
    )
    success = Gauge(
        "cad_bridge_endpoint_last_success_timestamp_seconds",
        "When a message last reached a service.",
        ["service"],
        registry=registry,
    )
    for record in records:
        failures.labels(record.service_id).set(record.failures_since_success)
        if record.last_success_at is not None:
            success.labels(record.service_id).set(record.last_success_at.timestamp())
