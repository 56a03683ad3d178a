"""The cases of one simulated responder: what it holds, issues and remembers."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from .identity import Json, ServiceIdentity
from .message import Message
from .outcomes import bad_request, not_found
from .resources import EMERGENCY, UK_CORE, entry, instant, meta, reference, urn

_NO_ID_ISSUED = {"MessageHeader", "Encounter"}
"""The header is of the message; an Encounter gets its id from the system whose encounter it is."""


@dataclass(eq=False)
class Case:
    """One request as its responder holds it."""

    identity: ServiceIdentity
    held: Message
    """The request with the ids issued, and with every update merged in."""
    first_bundle_id: str
    """Bundle.id of the original request: what every response names (APP4-VS-12)."""
    correlation_id: str
    reply_to: str
    """MessageHeader.source.endpoint of the request."""
    case_number: str
    acknowledged_at: datetime
    encounter_url: str = field(default_factory=urn)
    encounter_status: str = "planned"
    status_history: list[tuple[str, datetime]] = field(default_factory=list)
    """Own Encounter: each status it has had and when it took it, oldest first."""
    request_status: str = "active"
    """ServiceRequest.status as a reader gets it."""
    interim_sent: bool = False
    updates: int = 0

    @property
    def use_case(self) -> str:
        """The use-case category of the request. Raises RefusedError where it has none."""
        use_case = self.held.use_case
        if use_case is None:
            raise bad_request("invariant", "ServiceRequest.category lacks a use case")
        return use_case

    @property
    def service_request_id(self) -> str:
        """The id issued for the ServiceRequest."""
        return str(self.held.service_request["id"])

    @property
    def case_number_system(self) -> str:
        """The name space of this responder's case numbers."""
        return f"https://fhir.sandbox.example/{self.identity.ods_code}/Id/case-number"

    def move_to(self, status: str, now: datetime) -> None:
        """Gives the own Encounter a new status."""
        self.encounter_status = status
        if not self.status_history or self.status_history[-1][0] != status:
            self.status_history.append((status, now))

    def encounter(self, now: datetime, *, reason: Json | None = None, history: bool = False) -> Json:
        """The own Encounter as it stands; it starts when the request was acknowledged (APP4-VS-32)."""
        requester = self.held.one("Encounter")
        period = {"start": instant(self.acknowledged_at)}
        if self.encounter_status in {"finished", "cancelled"}:
            period["end"] = instant(now)
        encounter: Json = {
            "resourceType": "Encounter",
            "id": self.encounter_url.removeprefix("urn:uuid:"),
            "meta": meta(now, UK_CORE + "Encounter"),
            "identifier": [{"system": self.case_number_system, "value": self.case_number}],
            "status": self.encounter_status,
            "class": dict(EMERGENCY),
            "subject": reference(self.held.full_url(self.held.one("Patient"))),
            "period": period,
        }
        if "episodeOfCare" in requester:
            encounter["episodeOfCare"] = copy.deepcopy(requester["episodeOfCare"])
        if history:
            encounter["statusHistory"] = [
                {"status": status, "period": {"start": instant(since)}} for status, since in self.status_history
            ]
        return encounter | ({"reasonCode": [reason]} if reason else {})

    def merge(self, update: Message) -> None:
        """Takes over what is newer or new in an update (CORE-UPD-01, -03) and issues ids for what is new."""
        for incoming in update.entries:
            resource = incoming["resource"]
            if resource["resourceType"] in _NO_ID_ISSUED and self._own(resource):
                continue
            place = self._place(incoming)
            if place is None:
                self.held.entries.append(entry(incoming["fullUrl"], _with_id(copy.deepcopy(resource))))
            elif _newer(resource, self.held.entries[place]["resource"]):
                kept_id = self.held.entries[place]["resource"].get("id")
                merged = copy.deepcopy(resource) | ({"id": kept_id} if kept_id else {})
                self.held.entries[place] = entry(incoming["fullUrl"], merged)
        self.updates += 1

    def _own(self, resource: Json) -> bool:
        return resource.get("id") == self.encounter_url.removeprefix("urn:uuid:")

    def _place(self, incoming: Json) -> int | None:
        resource = incoming["resource"]
        for place, held in enumerate(self.held.entries):
            if held["resource"]["resourceType"] != resource["resourceType"]:
                continue
            same_id = "id" in resource and held["resource"].get("id") == resource["id"]
            if same_id or held["fullUrl"] == incoming["fullUrl"] or resource["resourceType"] == "MessageHeader":
                return place
        return None


class CaseBook:
    """All cases of a responder, and its case numbers."""

    def __init__(self, identity: ServiceIdentity, *, prefix: str) -> None:
        self._identity = identity
        self._prefix = prefix
        self._numbers = count(1)
        self._cases: list[Case] = []

    def __iter__(self) -> Iterator[Case]:
        return iter(self._cases)

    def __len__(self) -> int:
        return len(self._cases)

    def open(self, request: Message, *, correlation_id: str, now: datetime) -> Case:
        """Holds a new request: issues the ids (CORE-SYNC-04) and a case number."""
        reply_to = request.source_endpoint
        if reply_to is None or request.id is None:
            raise bad_request("invariant", "MessageHeader.source.endpoint and Bundle.id are needed for a response")
        held = copy.deepcopy(request.bundle)
        for held_entry in held["entry"]:
            _with_id(held_entry["resource"])
        case = Case(
            identity=self._identity,
            held=Message(held),
            first_bundle_id=request.id,
            correlation_id=correlation_id,
            reply_to=reply_to,
            case_number=f"{self._prefix}-{now:%Y%m%d}-{next(self._numbers):04d}",
            acknowledged_at=now,
            status_history=[("planned", now)],
        )
        self._cases.append(case)
        return case

    def find(self, message: Message, correlation_id: str) -> Case:
        """The case that an update or cancellation is about. Raises RefusedError 404 (CORE-UPD-10)."""
        request = message.service_request
        for case in self._cases:
            if "id" in request and case.service_request_id == request["id"]:
                return case
        full_url = message.full_url(request)
        for case in self._cases:
            if case.correlation_id == correlation_id and case.held.full_url(case.held.service_request) == full_url:
                return case
        raise not_found("The ServiceRequest is not held here")

    def by_service_request(self, service_request_id: str) -> Case | None:
        """The case whose ServiceRequest has this id."""
        return next((case for case in self._cases if case.service_request_id == service_request_id), None)

    def by_case_number(self, case_number: str) -> Case:
        """The newest case with this number, of either side. Raises KeyError."""
        for case in reversed(self._cases):
            if case_number == case.case_number or case_number in case.held.case_numbers:
                return case
        raise KeyError(case_number)


def _with_id(resource: Json) -> Json:
    if resource["resourceType"] not in _NO_ID_ISSUED:
        resource.setdefault("id", str(uuid.uuid4()))
    return resource


def _newer(incoming: Json, held: Json) -> bool:
    times = [resource.get("meta", {}).get("lastUpdated") for resource in (incoming, held)]
    if None in times:
        return True
    return datetime.fromisoformat(times[0]) > datetime.fromisoformat(times[1])
