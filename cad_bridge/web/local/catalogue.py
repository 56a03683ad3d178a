"""The services that this installation knows, and how sending to them has gone of late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from cad_bridge.discovery.catalogue.entries import CatalogueEntry
from cad_bridge.discovery.catalogue.health import EndpointHealth
from cad_bridge.engine.endpoint_health import endpoint_health
from cad_bridge.web.health import endpoint_view
from cad_bridge.web.local.access import Context, Reader

router = APIRouter(tags=["discovery"])


@router.get("/catalogue/services")
async def services(context: Context, client: Reader) -> dict[str, Any]:
    """Every service of the endpoint catalogue and of the configuration, and every other that was ever sent to."""
    del client  # every client may ask
    now = context.now()
    health = {record.service_id: record for record in await endpoint_health(context.database)}
    entries = sorted(await context.engine.discovery.catalogue.entries(), key=lambda entry: entry.service_id)
    known = [_entry(entry, health, active=entry.is_active(now)) for entry in entries]
    named = {entry.service_id for entry in entries}
    others = [_stranger(record) for service_id, record in sorted(health.items()) if service_id not in named]
    return {"services": [*known, *others]}


def _entry(entry: CatalogueEntry, health: Mapping[str, EndpointHealth], *, active: bool) -> dict[str, Any]:
    record = health.get(entry.service_id, EndpointHealth(service_id=entry.service_id))
    return {
        "service_id": entry.service_id,
        "ods_code": entry.ods_code,
        "name": entry.name,
        "use_cases": sorted(entry.use_cases),
        "status": entry.status,
        "active": active,
        "in_catalogue": entry.endpoint_id is not None,
        "health": endpoint_view(record),
    }


def _stranger(record: EndpointHealth) -> dict[str, Any]:
    nothing: dict[str, Any] = {
        "ods_code": None,
        "name": None,
        "use_cases": [],
        "status": None,
        "active": None,
        "in_catalogue": False,
    }
    return {"service_id": record.service_id, **nothing, "health": endpoint_view(record)}
