"""What a receiver refuses, in the order of the decision table's preconditions and rows."""

from __future__ import annotations

from collections.abc import Collection

from .definitions import (
    CANCELLED_REQUEST,
    DEFINITIONS,
    REFERRAL_SHORT_ALIAS,
    REQUEST_EVENT,
    RESPONSE_EVENT,
    count_problems,
)
from .identity import ServiceIdentity
from .message import Message
from .outcomes import bad_request, not_found, unprocessable

SUPPORTED_VERSIONS = frozenset({"1.0.0", "1.0.0-beta", "1.1.0", "1.2.0"})
_CANCELLED = {"revoked", "entered-in-error"}


def check_message(message: Message, identity: ServiceIdentity, use_cases: Collection[str]) -> None:
    """Raises RefusedError for the first thing that makes a message unacceptable to this system."""
    _check_version(message)
    _check_address(message, identity)
    _check_use_case(message, use_cases)
    if message.event == RESPONSE_EVENT:
        _check_response(message)
    elif message.event == REQUEST_EVENT:
        _check_request(message)
    else:
        raise bad_request("invariant", "MessageHeader.eventCoding names no event that is served here")


def _check_version(message: Message) -> None:
    if message.version is None:
        raise bad_request("invariant", "Bundle.meta.versionId is missing")
    if message.version not in SUPPORTED_VERSIONS:
        raise unprocessable("Bundle.meta.versionId is not supported")


def _check_address(message: Message, identity: ServiceIdentity) -> None:
    if message.destination_endpoint != identity.service_id:
        raise not_found("MessageHeader.destination.endpoint is not a service of this receiver")


def _check_use_case(message: Message, use_cases: Collection[str]) -> None:
    if message.use_case is None:
        raise bad_request("invariant", "ServiceRequest.category names no use case")
    if message.use_case not in use_cases:
        raise unprocessable("The use case is not served here")


def _check_response(message: Message) -> None:
    if message.response_identifier is None:
        raise bad_request("invariant", "MessageHeader.response is missing")
    if message.definition != REFERRAL_SHORT_ALIAS:
        _check_counts(message, update=False)


def _check_request(message: Message) -> None:
    if message.reason not in {"new", "update"}:
        raise bad_request("invariant", "MessageHeader.reason must be new or update")
    status = message.service_request.get("status")
    if message.definition == CANCELLED_REQUEST:
        if message.reason != "update" or status not in _CANCELLED:
            raise bad_request("invariant", "A cancellation is an update to revoked or entered-in-error")
    elif message.reason == "new":
        _check_new(message, status)
    elif status not in {"active", "on-hold"}:
        raise bad_request("invariant", "An update is of an active request")
    _check_counts(message, update=message.reason == "update" and message.definition != CANCELLED_REQUEST)


def _check_new(message: Message, status: object) -> None:
    if status != "active":
        raise bad_request("invariant", "A new request is active")
    for care_plan in message.of_type("CarePlan"):
        expected = "completed" if message.use_case == "a3t1" else "active"
        if care_plan.get("status") != expected:
            raise bad_request("invariant", f"CarePlan.status of this use case is {expected}")
    for encounter in message.of_type("Encounter"):
        if encounter.get("status") not in {"triaged", "in-progress", "finished"}:
            raise bad_request("invariant", "Encounter.status does not belong to a new request")


def _check_counts(message: Message, *, update: bool) -> None:
    definition = DEFINITIONS.get(message.definition)
    if definition is None or definition.event != message.event:
        raise unprocessable("MessageHeader.definition is not known for this event")
    problems = count_problems(message.types, definition, update=update)
    if problems:
        raise bad_request("invariant", "; ".join(problems))
