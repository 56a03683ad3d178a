"""What every asynchronous response is made of: the request turned round, its resources echoed, own people added."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from datetime import datetime

from .cases import Case
from .definitions import DEFINITIONS, RESPONSE_EVENT
from .identity import Json
from .resources import (
    entry,
    message_bundle,
    message_header,
    organization,
    practitioner,
    practitioner_role,
    reference,
    stable_urn,
    touched,
    urn,
)

_CLINICIAN = ("62247001", "General practitioner")
_ECHOED_ALWAYS = ("Patient", "Organization", "Practitioner", "PractitionerRole", "HealthcareService")


def response_message(
    case: Case, *, definition: str, reason: str, own: Json, entries: Iterable[Json], now: datetime
) -> Json:
    """A servicerequest-response focused on the responder's Encounter (X-06), to where the request came from."""
    header = message_header(
        event=RESPONSE_EVENT,
        reason=reason,
        definition=definition,
        focus_url=case.encounter_url,
        source=case.identity,
        sender_url=_own_organization_url(case),
        destination=case.reply_to,
        receiver_url=str(case.held.header["sender"]["reference"]),
        now=now,
    )
    header["response"] = {"identifier": case.first_bundle_id, "code": "ok"}
    return message_bundle(
        [
            entry(urn(), header),
            entry(*_service_request(case, now)),
            *_requester_encounter(case),
            entry(case.encounter_url, own),
            *entries,
            *echoed(case, *_ECHOED_ALWAYS, now=now),
            *_own_people(case, now),
        ],
        version=DEFINITIONS[definition].version,
        now=now,
    )


def echoed(case: Case, *types: str, now: datetime) -> list[Json]:
    """The held entries of some types, unchanged; the own Organization gets the identifier it may lack."""
    entries: list[Json] = []
    for held in case.held.entries:
        if held["resource"]["resourceType"] not in types:
            continue
        resource = copy.deepcopy(held["resource"])
        if held["fullUrl"] == _own_organization_url(case) and not resource.get("identifier"):
            resource |= organization(case.identity, now)
        entries.append(entry(held["fullUrl"], resource))
    return entries


def clinician_url(case: Case) -> str:
    """The person at the responder who deals with the case."""
    return stable_urn(case.identity.service_id, "clinician")


def _service_request(case: Case, now: datetime) -> tuple[str, Json]:
    """Echoed, active, requester now the responder's clinician (APP4-VS-33); the breach time comes back unchanged."""
    held = case.held.service_request
    changed = touched(held, now) | {"status": "active", "requester": reference(clinician_url(case))}
    return case.held.full_url(held), changed


def _requester_encounter(case: Case) -> list[Json]:
    held = case.held.one("Encounter")
    return [entry(case.held.full_url(held), copy.deepcopy(held))]


def _own_organization_url(case: Case) -> str:
    return str(case.held.header["destination"][0]["receiver"]["reference"])


def _own_people(case: Case, now: datetime) -> list[Json]:
    person = clinician_url(case)
    role = stable_urn(case.identity.service_id, "clinician", "role")
    return [
        entry(person, _with_id(person, practitioner(f"SB{case.identity.value[-6:]}", "Marsh", "Robin", now))),
        entry(role, _with_id(role, practitioner_role(person, _own_organization_url(case), _CLINICIAN, now))),
    ]


def _with_id(full_url: str, resource: Json) -> Json:
    return {"resourceType": resource["resourceType"], "id": full_url.removeprefix("urn:uuid:")} | resource
