"""What the frame of each of our messages says, by what the message is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cad_bridge.protocol.definitions import (
    REQUEST,
    REQUEST_CANCELLED,
    REQUEST_REFERRAL,
    REQUEST_VALIDATION,
    RESPONSE,
    RESPONSE_FULL,
    RESPONSE_INTERIM,
    RESPONSE_SHORT,
)
from cad_bridge.workflow.vocabulary import MessageKind, UseCase


@dataclass(frozen=True, slots=True)
class Kind:
    """Definition, event and reason of a message, and whether it keeps the Bundle.id of the request (X-11)."""

    definition: str
    event: str
    reason: str
    keeps_bundle_id: bool


_CANCELLATION = Kind(REQUEST_CANCELLED, REQUEST, "update", keeps_bundle_id=True)
_VALIDATION: Mapping[MessageKind, Kind] = {
    MessageKind.REQUEST: Kind(REQUEST_VALIDATION, REQUEST, "new", keeps_bundle_id=True),
    MessageKind.UPDATE: Kind(REQUEST_VALIDATION, REQUEST, "update", keeps_bundle_id=True),
    MessageKind.CANCELLATION: _CANCELLATION,
    MessageKind.INTERIM: Kind(RESPONSE_INTERIM, RESPONSE, "new", keeps_bundle_id=False),
    MessageKind.REJECTION: Kind(RESPONSE_INTERIM, RESPONSE, "new", keeps_bundle_id=False),
    MessageKind.FINAL: Kind(RESPONSE_FULL, RESPONSE, "update", keeps_bundle_id=False),
}
_REFERRAL: Mapping[MessageKind, Kind] = {
    MessageKind.REQUEST: Kind(REQUEST_REFERRAL, REQUEST, "new", keeps_bundle_id=True),
    MessageKind.UPDATE: Kind(REQUEST_REFERRAL, REQUEST, "update", keeps_bundle_id=True),
    MessageKind.CANCELLATION: _CANCELLATION,
    MessageKind.STATUS: Kind(RESPONSE_SHORT, RESPONSE, "new", keeps_bundle_id=False),
    MessageKind.REFUSAL: Kind(RESPONSE_SHORT, RESPONSE, "new", keeps_bundle_id=False),
}


def kind_of(use_case: UseCase, kind: MessageKind) -> Kind:
    """The frame of a message of that kind in a use case. Raises KeyError for one that the use case does not have."""
    return (_VALIDATION if use_case.is_validation else _REFERRAL)[kind]


def category_of(use_case: UseCase) -> str:
    """The message category of a use case (X-22)."""
    return "validation" if use_case.is_validation else "referral"
