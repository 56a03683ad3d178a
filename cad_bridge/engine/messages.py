"""Our own messages, rendered inside the commit that queues them, with the headers that every retry repeats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson

from cad_bridge.engine.kinds import Kind, category_of, kind_of
from cad_bridge.engine.referral_messages import referral_body
from cad_bridge.fhir.build_cancellation import cancellation_bundle
from cad_bridge.fhir.build_outcome import final_bundle
from cad_bridge.fhir.build_request import request_bundle
from cad_bridge.fhir.build_response import interim_bundle, rejection_bundle
from cad_bridge.fhir.build_update import update_bundle
from cad_bridge.fhir.content import Outcome, RejectionReason, Request
from cad_bridge.fhir.content_clinical import Practitioner
from cad_bridge.fhir.envelope import Envelope, OwnEncounter, Party, StatusChange, resource_full_url
from cad_bridge.fhir.facts import read_facts
from cad_bridge.protocol.definitions import definition_for
from cad_bridge.protocol.outgoing import Organisation, Product, UseContext, outgoing_headers
from cad_bridge.protocol.services import LocalService, RemoteService, Site
from cad_bridge.store.rows import StoredCase
from cad_bridge.workflow.effects import Send
from cad_bridge.workflow.vocabulary import MessageKind, Side

_CASE_NUMBER_SYSTEM = "https://fhir.nhs.uk/Id/case-number"
PRODUCT_SYSTEM = "https://fhir.nhs.uk/Id/product-id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message ready for the outbox."""

    body: bytes
    headers: dict[str, str]
    bundle_id: str
    request_id: str


def case_number_system(local_service: str) -> str:
    """The name space of the case numbers of one service of ours.

    A response holds the Encounters of both sides: two installations of this program must not share one (S23).
    """
    return f"{_CASE_NUMBER_SYSTEM}/{local_service.rpartition('|')[2]}"


def cancellation_facts(body: bytes) -> tuple[Literal["revoked", "entered-in-error"], str]:
    """Status and reason of a cancellation of ours, read back from its own bytes."""
    bundle = orjson.loads(body)
    request = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "ServiceRequest")
    return "revoked" if request["status"] == "revoked" else "entered-in-error", request["reasonCode"][0]["text"]


def is_our_cancellation(body: bytes) -> bool:
    """Whether a cancellation was made here: our builder names the organisations anew after the Bundle.id.

    A CAD cancels by a message of its own only what it opened by one, in names of its own.
    """
    bundle = orjson.loads(body)
    header = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "MessageHeader")
    ours: str = resource_full_url(bundle["id"], "Organization/sender")
    return bool(header.get("sender", {}).get("reference") == ours)


def breach_time_told(body: bytes) -> datetime | None:
    """The breach time in a request or update of ours, read back from its own bytes."""
    return read_facts(orjson.loads(body)).occurrence_end


def needs_request(effect: Send) -> bool:
    """Whether rendering the message takes the bytes of the request that it is about."""
    return effect.kind is not MessageKind.REQUEST


class MessageWriter:
    """Writes the messages of one site."""

    def __init__(self, *, site: Site, new_id: Callable[[], UUID]) -> None:
        self._site = site
        self._new_id = new_id

    def write(self, stored: StoredCase, send: Send, *, request: bytes | None, now: datetime) -> Outgoing:
        """Render one message. Raises LookupError if the local service of the case is not configured any more."""
        kind = kind_of(stored.case.use_case, send.kind)
        service = self._service(stored)
        remote = self._remote(stored)
        bundle_id = self._bundle_id(stored, kind, send)
        envelope = self._envelope(kind, service, remote, bundle_id=bundle_id, now=now)
        body = _render(stored, send, envelope, request=request, now=now)
        request_id = self._new_id()
        headers = self._headers(stored, kind, service, _reason(kind, send), request_id=request_id)
        return Outgoing(body=body, headers=headers, bundle_id=bundle_id, request_id=str(request_id))

    def _bundle_id(self, stored: StoredCase, kind: Kind, send: Send) -> str:
        """That of the request, a new one, or the one that a message made elsewhere has already."""
        if send.facts.get("bundle") is not None:
            return str(orjson.loads(send.facts["bundle"])["id"])
        return stored.conversation.request_bundle_id if kind.keeps_bundle_id else str(self._new_id())

    def read_headers(self, local_service: str, remote_service: str, correlation_id: str) -> dict[str, str]:
        """Headers of a read: ids of its own, the correlation id of the conversation (X-34)."""
        service = self._site.service(local_service)
        if service is None:
            raise LookupError("the local service of this case is not configured any more")
        return outgoing_headers(
            request_id=self._new_id(),
            correlation_id=UUID(correlation_id),
            target=remote_service,
            organisation=Organisation(ods_code=service.ods_code, name=service.name),
            product=self._product(),
        )

    def rewrite_cancellation(
        self, stored: StoredCase, body: bytes, *, request: bytes, current: bytes, now: datetime
    ) -> bytes:
        """A cancellation made anew on the ServiceRequest that was just read back (CORE-UPD-11)."""
        status, reason = cancellation_facts(body)
        service, remote = self._service(stored), self._remote(stored)
        kind = kind_of(stored.case.use_case, MessageKind.CANCELLATION)
        bundle_id = stored.conversation.request_bundle_id
        return cancellation_bundle(
            request,
            issued_ids=stored.conversation.issued_ids,
            status=status,
            reason_text=reason,
            envelope=self._envelope(kind, service, remote, bundle_id=bundle_id, now=now),
            current=current,
        )

    def _product(self) -> Product:
        software = self._site.software
        return Product(
            identifier_system=PRODUCT_SYSTEM, identifier=software.instance, name=software.name, version=software.version
        )

    def _service(self, stored: StoredCase) -> LocalService:
        service = self._site.service(stored.conversation.local_service)
        if service is None:
            raise LookupError("the local service of this case is not configured any more")
        return service

    def _remote(self, stored: StoredCase) -> RemoteService:
        """The other side as its own message named it, else as it is configured."""
        conversation = stored.conversation
        known = self._site.remote(conversation.remote_service)
        return replace(
            known,
            ods_code=conversation.remote_ods_code or known.ods_code,
            name=conversation.remote_name or known.name,
        )

    def _envelope(
        self, kind: Kind, service: LocalService, remote: RemoteService, *, bundle_id: str, now: datetime
    ) -> Envelope:
        definition = definition_for(kind.definition)
        assert definition is not None
        return Envelope(
            bundle_id=bundle_id,
            message_id=str(self._new_id()),
            created_at=now,
            sender=Party(service_id=service.id, ods_code=service.ods_code, name=service.name),
            receiver=Party(service_id=remote.id, ods_code=remote.ods_code, name=remote.name),
            version_id=definition.version,
            software_name=self._site.software.name,
            software_version=self._site.software.version,
            case_number_system=case_number_system(service.id),
        )

    def _headers(
        self, stored: StoredCase, kind: Kind, service: LocalService, reason: str, *, request_id: UUID
    ) -> dict[str, str]:
        return outgoing_headers(
            request_id=request_id,
            correlation_id=UUID(stored.conversation.correlation_id),
            target=stored.conversation.remote_service,
            organisation=Organisation(ods_code=service.ods_code, name=service.name),
            product=self._product(),
            use_context=UseContext(
                use_case=stored.case.use_case.value,
                category=category_of(stored.case.use_case),
                event=kind.event,
                reason=reason,
            ),
        )


def _reason(kind: Kind, send: Send) -> str:
    """A final response is an update of what the interim one told, and new where there was none (APP4-VS-10)."""
    if send.kind is MessageKind.FINAL and not send.facts["interim_sent"]:
        return "new"
    return kind.reason


def _render(stored: StoredCase, send: Send, envelope: Envelope, *, request: bytes | None, now: datetime) -> bytes:
    if not stored.case.use_case.is_validation:
        encounter = own_encounter(stored) if stored.case.side is Side.RESPONDER else None
        return referral_body(stored, send, envelope, request=request, encounter=encounter)
    if send.facts.get("bundle") is not None:
        ready: bytes = send.facts["bundle"]
        return ready
    if send.kind is MessageKind.REQUEST:
        return request_bundle(Request.model_validate(stored.content), envelope)
    assert request is not None, "the request is kept with the case"
    ids = stored.conversation.issued_ids
    if send.kind is MessageKind.UPDATE:
        return update_bundle(request, Request.model_validate(stored.content), issued_ids=ids, envelope=envelope)
    if send.kind is MessageKind.CANCELLATION:
        return cancellation_bundle(
            request, issued_ids=ids, status=send.facts["status"], reason_text=send.facts["reason"], envelope=envelope
        )
    return _response(stored, send, envelope, request, now)


def _response(stored: StoredCase, send: Send, envelope: Envelope, request: bytes, now: datetime) -> bytes:
    ended = now if send.kind is MessageKind.FINAL else None
    common: dict[str, Any] = {
        "issued_ids": stored.conversation.issued_ids,
        "encounter": own_encounter(stored, period_end=ended),
        "envelope": envelope,
        "original_bundle_id": stored.conversation.request_bundle_id,
    }
    if send.kind is MessageKind.FINAL:
        outcome = Outcome.model_validate(stored.outcome)
        return final_bundle(request, outcome=outcome, interim_sent=send.facts["interim_sent"], **common)
    practitioner = Practitioner.model_validate(send.facts["practitioner"])
    if send.kind is MessageKind.INTERIM:
        return interim_bundle(request, practitioner=practitioner, **common)
    reason = RejectionReason.model_validate(send.facts["reason"])
    return rejection_bundle(request, practitioner=practitioner, reason=reason, **common)


_ENCOUNTER_STATUS = {
    "received": "planned",
    "accepted": "planned",
    "in_progress": "in-progress",
    "rejected": "cancelled",
    "finished": "finished",
    "cancelled": "cancelled",
}


def own_encounter(stored: StoredCase, *, period_end: datetime | None = None) -> OwnEncounter:
    """Our own Encounter of a received case, as it is now."""
    assert stored.conversation.encounter_id is not None
    return OwnEncounter(
        full_url=stored.conversation.encounter_full_url,
        id=stored.conversation.encounter_id,
        case_number=stored.conversation.case_number,
        case_number_system=case_number_system(stored.conversation.local_service),
        status=_ENCOUNTER_STATUS[stored.case.state],
        period_start=stored.created_at,
        period_end=period_end,
        history=tuple(StatusChange(status=change.status, since=change.at) for change in stored.case.status_history),
    )
