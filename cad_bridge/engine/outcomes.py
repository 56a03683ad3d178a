"""What an answer to one of our own messages means for the case: a pure translation into commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import orjson

from cad_bridge.engine.messages import breach_time_told
from cad_bridge.fhir.content import Acknowledgement
from cad_bridge.fhir.read_response import read_acknowledgement
from cad_bridge.protocol.answers import Answer, Verdict
from cad_bridge.store.rows import Parcel, StoredCase
from cad_bridge.workflow import commands
from cad_bridge.workflow.referral_commands import ResponseTaken
from cad_bridge.workflow.vocabulary import MessageKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How the parcel ends (None: it is tried again), the commands that follow, and what is noted in the case."""

    settled_as: str | None
    commands: tuple[commands.Command, ...] = ()
    change: Callable[[StoredCase], StoredCase] = field(default=lambda stored: stored)


_REFERRAL_RESPONSES = frozenset({MessageKind.STATUS.value, MessageKind.REFUSAL.value})
_RETRY = (Verdict.RETRY, Verdict.RENEW_TOKEN)


def outcome_of(parcel: Parcel, answer: Answer, body: bytes | None, *, last_try: bool) -> Told:
    """Translate one answer. `last_try` says that a message other than a request is given up if this try failed."""
    if answer.is_delivered:
        return _delivered(parcel, answer, body)
    if answer.verdict in _RETRY and not (last_try and parcel.kind != MessageKind.REQUEST):
        return Told(settled_as=None)
    return Told(settled_as="refused", commands=(_refused(parcel, answer),))


def _delivered(parcel: Parcel, answer: Answer, body: bytes | None) -> Told:
    if parcel.kind == MessageKind.CANCELLATION:
        return Told(settled_as="delivered", commands=(commands.CancellationConfirmed(by="delivery"),))
    if parcel.kind == MessageKind.UPDATE:
        taken = commands.UpdateConfirmed(breach_at=breach_time_told(parcel.body), by="delivery")
        # What the update added has got its ids now: the next one has to carry them (CORE-SYNC-05).
        return Told(settled_as="delivered", commands=(taken,), change=_taking_ids(_acknowledgement(body)))
    if parcel.kind in _REFERRAL_RESPONSES:
        return Told(settled_as="delivered", commands=(ResponseTaken(kind=parcel.kind, by="delivery"),))
    if parcel.kind != MessageKind.REQUEST:
        return Told(settled_as="delivered")
    if answer.verdict is Verdict.DUPLICATE:
        return Told(settled_as="delivered", commands=(commands.DeliveryProved(by="delivery"),))
    said = _acknowledgement(body)
    command = commands.RequestAcknowledged(remote_case_number=said.reference, by="delivery")
    return Told(settled_as="delivered", commands=(command,), change=_taking_ids(said))


def _acknowledgement(body: bytes | None) -> Acknowledgement:
    """What the 200 says; nothing, where its body cannot be read: it is an acknowledgement all the same (X-30)."""
    try:
        bundle = orjson.loads(body or b"")
    except orjson.JSONDecodeError:
        return Acknowledgement()
    return read_acknowledgement(bundle) if isinstance(bundle, dict) else Acknowledgement()


def _taking_ids(said: Acknowledgement) -> Callable[[StoredCase], StoredCase]:
    def change(stored: StoredCase) -> StoredCase:
        known = stored.conversation
        return stored.evolve(
            conversation=replace(
                known,
                issued_ids=known.issued_ids | said.issued_ids,
                service_request_id=said.service_request_id or known.service_request_id,
            )
        )

    return change


def _refused(parcel: Parcel, answer: Answer) -> commands.Command:
    attempts, why = parcel.attempts + 1, answer.advice
    match parcel.kind:
        case MessageKind.REQUEST:
            return commands.DeliveryRefused(attempts=attempts, last_error=why, by="delivery")
        case MessageKind.UPDATE:
            return commands.UpdateRefused(attempts=attempts, last_error=why, by="delivery")
        case MessageKind.CANCELLATION:
            return commands.CancellationRefused(attempts=attempts, last_error=why, by="delivery")
        case _:
            return commands.ResponseRefused(kind=parcel.kind, attempts=attempts, last_error=why, by="delivery")
