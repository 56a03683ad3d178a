"""The services that this installation knows, and how sending to them has gone of late."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from cad_bridge.web.health import endpoint_view
from cad_bridge.web.known_services import KnownService, known_services
from cad_bridge.web.local.access import Context, Reader

router = APIRouter(tags=["discovery"])


@router.get("/catalogue/services")
async def services(context: Context, client: Reader) -> dict[str, Any]:
    """Every service of the endpoint catalogue and of the configuration, and every other that was ever sent to."""
    del client  # every client may ask
    return {"services": [_view(service) for service in await known_services(context)]}


def _view(service: KnownService) -> dict[str, Any]:
    entry = service.entry
    return {
        "service_id": service.health.service_id if entry is None else entry.service_id,
        "ods_code": entry.ods_code if entry is not None else None,
        "name": entry.name if entry is not None else None,
        "use_cases": sorted(entry.use_cases) if entry is not None else [],
        "status": entry.status if entry is not None else None,
        "active": service.active if entry is not None else None,
        "in_catalogue": entry is not None and entry.endpoint_id is not None,
        "health": endpoint_view(service.health),
    }
