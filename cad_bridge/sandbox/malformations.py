"""Responses with one thing wrong."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable, Mapping

from .actions import Defect
from .identity import Json
from .message import Message

Spoil = Callable[[Message], None]


def malformed_body(bundle: Json, defect: Defect) -> bytes:
    """The bytes to send for a good response and the defect it shall have."""
    if defect is Defect.NOT_JSON:
        return json.dumps(bundle).encode()[:-1]
    message = Message(copy.deepcopy(bundle))
    _SPOILERS[defect](message)
    return json.dumps(message.bundle).encode()


def _own_encounter(message: Message) -> Json:
    focus = message.focus
    if focus is None:
        raise KeyError("the response has no focus")
    return focus


def _drop(message: Message, resource_type: str) -> None:
    kept = [held for held in message.entries if held["resource"]["resourceType"] != resource_type]
    message.bundle["entry"] = kept


def _no_version(message: Message) -> None:
    del message.bundle["meta"]["versionId"]


def _unsupported_version(message: Message) -> None:
    message.bundle["meta"]["versionId"] = "9.9.9"


def _no_response(message: Message) -> None:
    del message.header["response"]


def _unknown_identifier(message: Message) -> None:
    message.header["response"]["identifier"] = str(uuid.uuid4())


def _unknown_definition(message: Message) -> None:
    message.header["definition"] = "https://fhir.nhs.uk/MessageDefinition/bars-message-of-the-sandbox"


def _unknown_event(message: Message) -> None:
    message.header["eventCoding"]["code"] = "servicerequest-gossip"


def _wrong_receiver(message: Message) -> None:
    message.header["destination"][0]["endpoint"] = "https://fhir.nhs.uk/Id/dos-service-id|9999999999"


def _no_encounter(message: Message) -> None:
    _drop(message, "Encounter")


def _bad_encounter_status(message: Message) -> None:
    _own_encounter(message)["status"] = "complete"


def _no_care_plan(message: Message) -> None:
    _drop(message, "CarePlan")


def _forbidden_refusal(message: Message) -> None:
    _own_encounter(message)["status"] = "cancelled"


_SPOILERS: Mapping[Defect, Spoil] = {
    Defect.NO_VERSION: _no_version,
    Defect.UNSUPPORTED_VERSION: _unsupported_version,
    Defect.NO_RESPONSE: _no_response,
    Defect.UNKNOWN_IDENTIFIER: _unknown_identifier,
    Defect.UNKNOWN_DEFINITION: _unknown_definition,
    Defect.UNKNOWN_EVENT: _unknown_event,
    Defect.WRONG_RECEIVER: _wrong_receiver,
    Defect.NO_ENCOUNTER: _no_encounter,
    Defect.BAD_ENCOUNTER_STATUS: _bad_encounter_status,
    Defect.NO_CARE_PLAN: _no_care_plan,
    Defect.FORBIDDEN_REFUSAL: _forbidden_refusal,
}
