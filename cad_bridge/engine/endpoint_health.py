"""How endpoints are doing, kept from the attempts to deliver to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cad_bridge.discovery.catalogue.health import EndpointHealth
from cad_bridge.discovery.catalogue.tokens import parse_token
from cad_bridge.protocol.answers import Answer, Origin, Verdict
from cad_bridge.store import catalogue_health
from cad_bridge.store.catalogue_health import EndpointHealthRecord


async def note_attempt(connection: AsyncConnection, service_id: str, answer: Answer, *, at: datetime, why: str) -> None:
    """Keep what one attempt says of the endpoint of a service; `why` is status and codes. The caller commits.

    The record is locked until then: called after the case is locked and before events get their cursors.
    """
    works = says_of_endpoint(answer)
    if works is None:
        return
    record = await catalogue_health.locked(connection, str(parse_token(service_id)))
    before = EndpointHealth(**_values(record))
    after = before.succeeded(at) if works else before.failed(at, why=why)
    await catalogue_health.save(connection, EndpointHealthRecord(**_values(after)))


def says_of_endpoint(answer: Answer) -> bool | None:
    """Whether the answer shows that the endpoint works; None where it says nothing about it.

    A receiver that refuses a message in the words of the standard works. A route that the proxy doesn't have, silence
    and trouble are failures. Nothing is said by a refusal of our own, our access token, or a fault of our message.
    """
    if answer.is_delivered:
        return True
    match answer.verdict:
        case Verdict.RETRY:
            return False
        case Verdict.CONFLICT | Verdict.REFUSED if answer.http_status is not None:
            if answer.origin is Origin.RECEIVER:
                return True
            return False if answer.http_status == 404 or answer.http_status >= 500 else None
    return None


async def endpoint_health(database: AsyncEngine) -> list[EndpointHealth]:
    """Every service that was ever sent to, by id."""
    return [EndpointHealth(**_values(record)) for record in await catalogue_health.all_records(database)]


def _values(record: EndpointHealth | EndpointHealthRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in EndpointHealthRecord.__dataclass_fields__}
