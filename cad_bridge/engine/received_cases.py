"""A case of ours for a request that another service sent, and the ids that we issue for what came with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import text

from cad_bridge.engine.core import Engine
from cad_bridge.protocol.headers import RequestHeaders
from cad_bridge.protocol.receive import Accepted
from cad_bridge.protocol.services import canonical
from cad_bridge.store.rows import Conversation, StoredCase
from cad_bridge.store.unit_of_work import UnitOfWork
from cad_bridge.workflow.case import Case, dispatch_by
from cad_bridge.workflow.vocabulary import Priority, Side, UseCase


async def received_case(engine: Engine, work: UnitOfWork, accepted: Accepted, headers: RequestHeaders) -> StoredCase:
    """The case with what its frame says, before the first decision and without content."""
    now = engine.now()
    return StoredCase(
        case=_case(engine, accepted),
        conversation=await _conversation(engine, work, accepted, headers),
        content={},
        created_at=now,
        updated_at=now,
    )


def _case(engine: Engine, accepted: Accepted) -> Case:
    facts, encounter = accepted.facts, accepted.decision.encounter
    arp = Priority.parse(facts.arp)
    return Case(
        id=engine.new_id(),
        side=Side.RESPONDER,
        use_case=UseCase(facts.use_case or ""),
        state="",
        arp=arp,
        clock_start=facts.careplan_period_start,
        breach_at=facts.occurrence_end,
        dispatch_by=dispatch_by(arp, facts.careplan_period_start),
        remote_case_number=encounter.identifier_value if encounter is not None else None,
        delivered=True,
    )


async def _conversation(engine: Engine, work: UnitOfWork, accepted: Accepted, headers: RequestHeaders) -> Conversation:
    facts, service = accepted.facts, accepted.service
    ids = issue_ids(accepted.bundle, new_id=engine.new_id)
    number = (await work.connection.execute(text("SELECT nextval('case_number_seq')"))).scalar_one()
    return Conversation(
        local_service=service.id,
        remote_service=canonical(facts.source_endpoint or ""),
        case_number=f"{service.ods_code}-{engine.now():%Y%m%d}-{number:05d}",
        journey_id=facts.journey_id,
        correlation_id=headers.correlation_id,
        request_bundle_id=facts.bundle_id or "",
        service_request_full_url=facts.sr_full_url,
        service_request_id=ids.get(facts.sr_full_url or ""),
        encounter_full_url=f"urn:uuid:{engine.new_id()}",
        encounter_id=str(engine.new_id()),
        remote_ods_code=facts.sender_ods,
        issued_ids=ids,
    )


def issue_ids(
    bundle: Mapping[str, Any], *, new_id: Callable[[], UUID], known: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Ids for everything that came without one, and for the ServiceRequest always: ours alone are unique (S13)."""
    ids = {}
    for entry in bundle.get("entry", []):
        resource, full_url = entry.get("resource", {}), entry.get("fullUrl")
        always = resource.get("resourceType") == "ServiceRequest"
        if full_url and full_url not in known and (always or "id" not in resource):
            ids[full_url] = str(new_id())
    return ids
