"""The bodies of our messages about referrals (Applications 3 and 6)."""

from __future__ import annotations

from dataclasses import replace

from cad_bridge.fhir.build_cancellation import cancellation_bundle
from cad_bridge.fhir.build_referral import SenderStatus, referral_bundle, referral_update_bundle
from cad_bridge.fhir.build_status import status_bundle
from cad_bridge.fhir.content import RejectionReason, Request
from cad_bridge.fhir.content_clinical import Practitioner
from cad_bridge.fhir.envelope import Envelope, OwnEncounter, resource_full_url
from cad_bridge.store.rows import Conversation, StoredCase
from cad_bridge.workflow.effects import Decision, Effect, Send
from cad_bridge.workflow.referral_rows import HANDED_OVER
from cad_bridge.workflow.vocabulary import MessageKind, UseCase


def referral_body(
    stored: StoredCase, send: Send, envelope: Envelope, *, request: bytes | None, encounter: OwnEncounter | None
) -> bytes:
    """Render one message. `request` is the referral as it stands, `encounter` our own as its receiver."""
    if send.facts.get("bundle") is not None:
        ready: bytes = send.facts["bundle"]
        return ready
    if send.kind is MessageKind.REQUEST:
        return referral_bundle(_content(stored), envelope, encounter_status=_sender_status(stored, send))
    assert request is not None, "the referral is kept with the case"
    ids = stored.conversation.issued_ids
    if send.kind is MessageKind.UPDATE:
        status = _sender_status(stored, send)
        return referral_update_bundle(
            request, _content(stored), issued_ids=ids, envelope=envelope, encounter_status=status
        )
    if send.kind is MessageKind.CANCELLATION:
        return cancellation_bundle(
            request, issued_ids=ids, status=send.facts["status"], reason_text=send.facts["reason"], envelope=envelope
        )
    return _status(stored, send, envelope, request, encounter)


def is_made_elsewhere(conversation: Conversation) -> bool:
    """Whether the request of a case of ours was given as a ready message: our own builders name resources so."""
    ours = resource_full_url(conversation.request_bundle_id, "ServiceRequest")
    return conversation.service_request_full_url != ours


def without_own_updates(decision: Decision, conversation: Conversation) -> Decision:
    """Of a request that was made elsewhere no update is made here: our builders would name its resources anew."""

    def is_ours(effect: Effect) -> bool:
        return isinstance(effect, Send) and effect.kind is MessageKind.UPDATE and effect.facts.get("bundle") is None

    if not any(is_ours(effect) for effect in decision.effects) or not is_made_elsewhere(conversation):
        return decision
    return replace(decision, effects=tuple(effect for effect in decision.effects if not is_ours(effect)))


def _status(
    stored: StoredCase, send: Send, envelope: Envelope, request: bytes, encounter: OwnEncounter | None
) -> bytes:
    assert encounter is not None, "a received case has an Encounter of ours"
    reason = send.facts.get("reason")
    return status_bundle(
        request,
        issued_ids=stored.conversation.issued_ids,
        encounter=encounter,
        envelope=envelope,
        practitioner=Practitioner.model_validate(send.facts["practitioner"]),
        reason=RejectionReason.model_validate(reason) if reason is not None else None,
        original_bundle_id=stored.conversation.request_bundle_id,
    )


def _content(stored: StoredCase) -> Request:
    return Request.model_validate(stored.content)


def _sender_status(stored: StoredCase, send: Send) -> SenderStatus | None:
    """State of the case here, for the receiver: closed, or as the CAD says (APP6-REF-07).

    None where it follows from the content. A category 5 referral is always finished.
    """
    if stored.case.use_case is UseCase.CAS_REFERRAL:
        return None
    if stored.case.state == HANDED_OVER:
        return "finished"
    said: SenderStatus | None = send.facts.get("encounter_status")
    return said
