"""Which conversation a message belongs to: what the judgement needs from the database."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from cad_bridge.engine.messages import case_number_system
from cad_bridge.fhir.encounters import OwnEncounters
from cad_bridge.fhir.facts import Facts
from cad_bridge.protocol.addressing import KnownConversation
from cad_bridge.protocol.definitions import RESPONSE
from cad_bridge.protocol.headers import RequestHeaders
from cad_bridge.protocol.services import canonical
from cad_bridge.store import queries
from cad_bridge.store.rows import StoredCase


async def conversations_for(
    connection: AsyncConnection, facts: Facts, headers: RequestHeaders
) -> list[KnownConversation]:
    """The conversations that a response, update or cancellation may belong to; none for a new request."""
    if facts.event == RESPONSE:
        if facts.response_identifier is None:
            return []
        found = await queries.cases_of_request(connection, bundle_id=facts.response_identifier)
        return [known(stored) for stored in found]
    held = await _held_requests(connection, facts, headers)
    return [replace(known(stored), is_weak=_is_weak(stored, facts, headers)) for stored in held]


def _is_weak(stored: StoredCase, facts: Facts, headers: RequestHeaders) -> bool:
    conversation = stored.conversation
    by_id = facts.sr_id is not None and facts.sr_id == conversation.service_request_id
    return not by_id and headers.correlation_id != conversation.correlation_id.lower()


async def _held_requests(connection: AsyncConnection, facts: Facts, headers: RequestHeaders) -> list[StoredCase]:
    if facts.destination_endpoint is None or facts.source_endpoint is None:
        return []
    return await queries.responder_cases(
        connection,
        local_service=canonical(facts.destination_endpoint),
        remote_service=canonical(facts.source_endpoint),
        service_request_id=facts.sr_id,
        correlation_id=headers.correlation_id,
        full_url=facts.sr_full_url,
    )


def known(stored: StoredCase) -> KnownConversation:
    """A case as the judgement sees it."""
    conversation = stored.conversation
    ids = {conversation.encounter_id, conversation.issued_ids.get(conversation.encounter_full_url)} - {None}
    return KnownConversation(
        case_id=stored.id,
        own_service=conversation.local_service,
        remote_service=conversation.remote_service,
        correlation_id=conversation.correlation_id,
        own_encounters=OwnEncounters(
            full_urls=frozenset({conversation.encounter_full_url}),
            ids=frozenset(str(id_) for id_ in ids),
            identifiers=frozenset({(case_number_system(conversation.local_service), conversation.case_number)}),
        ),
    )
