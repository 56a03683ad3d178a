"""The services that this installation knows, and how sending to them goes: for the API and for the board."""

from __future__ import annotations

from dataclasses import dataclass

from cad_bridge.discovery.catalogue.entries import CatalogueEntry
from cad_bridge.discovery.catalogue.health import EndpointHealth
from cad_bridge.engine.endpoint_health import endpoint_health
from cad_bridge.web.context import WebContext


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownService:
    """One entry of the catalogue or the configuration, or a service that was only ever sent to."""

    entry: CatalogueEntry | None
    active: bool
    health: EndpointHealth


async def known_services(context: WebContext) -> list[KnownService]:
    """Every service of the endpoint catalogue and of the configuration by id, then every other that was sent to."""
    now = context.now()
    health = {record.service_id: record for record in await endpoint_health(context.database)}
    entries = sorted(await context.engine.discovery.catalogue.entries(), key=lambda entry: entry.service_id)
    known = [
        KnownService(
            entry=entry,
            active=entry.is_active(now),
            health=health.get(entry.service_id, EndpointHealth(service_id=entry.service_id)),
        )
        for entry in entries
    ]
    named = {entry.service_id for entry in entries}
    strangers = [record for service_id, record in sorted(health.items()) if service_id not in named]
    return [*known, *(KnownService(entry=None, active=False, health=record) for record in strangers)]
