"""Referrals as BaRS messages: Category 5 to a CAS (Application 3), and CAD to CAD (Application 6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal

import orjson

from cad_bridge.fhir import codes
from cad_bridge.fhir.build_elements import Entry, Json, reference
from cad_bridge.fhir.build_message import message, moment
from cad_bridge.fhir.build_place import location_fields
from cad_bridge.fhir.build_questionnaire import answered_questionnaires, questionnaire_fields, response_fields
from cad_bridge.fhir.build_referral_statements import (
    complaint_fields,
    log_entries,
    log_entry_fields,
    resuscitation_fields,
    task_fields,
    tasks,
)
from cad_bridge.fhir.build_request import RequestFrame
from cad_bridge.fhir.build_update import updated_message
from cad_bridge.fhir.content import Request
from cad_bridge.fhir.echo import parse_verbatim, verbatim_entries, without_dangling
from cad_bridge.fhir.envelope import Envelope, resource_full_url
from cad_bridge.fhir.read_elements import read_moment

SenderStatus = Literal["in-progress", "triaged", "finished"]
"""State of the case at the sender: the call is on, the call has ended, the case is closed there (APP6-REF-07)."""

CATEGORY_5_USE_CASES = frozenset({"a3t1"})
CAD_TO_CAD_USE_CASES = frozenset({"a6t1", "a6t2", "a6t3"})


def referral_bundle(content: Request, envelope: Envelope, *, encounter_status: SenderStatus | None = None) -> bytes:
    """A new referral (APP3-REF-02, APP6-REF-06): one lastUpdated throughout, fullUrls that later updates keep.

    `encounter_status` is that of the sender's Encounter. Without it a CAD to CAD referral says triaged once the case
    has an ARP category, before that in-progress. A Category 5 referral is always finished (X-57).

    Raises ValueError if `content` has no journey id yet or is no referral, or for another status than finished in a
    Category 5 referral.
    """
    frame = _frame(content, envelope, opened_at=moment(envelope), sender_status=encounter_status)
    return message(envelope, [frame.header("new"), *frame.entries()])


def referral_update_bundle(
    previous: bytes,
    content: Request,
    *,
    issued_ids: Mapping[str, str],
    envelope: Envelope,
    encounter_status: SenderStatus | None = None,
    receivers_message: bytes | None = None,
) -> bytes:
    """The referral as it is now, after `previous`, the last message that was sent about it (APP6-UPD-02).

    As `build_update.update_bundle`: the envelope repeats the Bundle.id, resources keep their fullUrl, only changed
    ones rise in lastUpdated, what is no longer said is retracted. `receivers_message` is the receiver's last answer
    or response: its own Encounter rides along as it came (X-37). Raises ValueError as `referral_bundle`, or if
    `previous` is another bundle.
    """
    since = _tasks_since(previous)
    return updated_message(
        previous,
        lambda at: _frame(content, envelope, opened_at=at, sender_status=encounter_status, tasks_since=since),
        issued_ids=issued_ids,
        envelope=envelope,
        riding_along=_receivers_encounter(receivers_message, envelope) if receivers_message else (),
    )


@dataclass(frozen=True, kw_only=True)
class ReferralFrame(RequestFrame):
    """A Category 5 referral: triage is complete, and the case is closed at the sender."""

    use_cases: ClassVar[frozenset[str]] = CATEGORY_5_USE_CASES
    message_category: ClassVar[str] = "referral"
    definition: ClassVar[str] = codes.DEFINITION_REQUEST_REFERRAL
    profile: ClassVar[str] = codes.SERVICE_REQUEST_REFERRAL_PROFILE
    care_plan_status: ClassVar[str] = "completed"

    sender_statuses: ClassVar[frozenset[str]] = frozenset({"finished"})

    sender_status: SenderStatus | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sender_status is not None and self.sender_status not in self.sender_statuses:
            raise ValueError("the case has no such state at the sender of this kind of referral")

    @property
    def encounter_status(self) -> str:
        """State of the case here."""
        return "finished"

    def _locations(self) -> Iterator[Entry]:
        profiles = (codes.ukcore_profile("Location"), codes.INCIDENT_LOCATION_PROFILE)
        yield self._entry("Location", "Location", location_fields(self.content.incident_location), *profiles)


@dataclass(frozen=True, kw_only=True)
class CadToCadFrame(ReferralFrame):
    """A referral to another ambulance service, at any point of the call (APP6-REF-09)."""

    use_cases: ClassVar[frozenset[str]] = CAD_TO_CAD_USE_CASES
    care_plan_status: ClassVar[str] = "active"
    sender_statuses: ClassVar[frozenset[str]] = frozenset({"in-progress", "triaged", "finished"})

    tasks_since: Mapping[str, datetime] = field(default_factory=dict)
    """When Tasks were first sent, by fullUrl; those that are new are of this message."""

    @property
    def encounter_status(self) -> str:
        """State of the case here (APP6-REF-07)."""
        return self.sender_status or ("triaged" if self.content.triage.arp else "in-progress")

    def _authored_on(self) -> datetime:
        return self.opened_at  # a referral can be acted on from when it is sent, triaged or not

    def _window(self) -> Json | None:
        """Application 6 has none; a time by which to act is sent where the content has one."""
        return {"end": self.content.breach_at} if self.content.breach_at else None

    def _contained_locations(self) -> list[Json]:
        return []

    def _encounter_locations(self) -> list[Json]:
        """The incident first: active if confirmed, without a status if provisional (APP6-LOC-01, APP6-LOC-04)."""
        confirmed = {"status": "active"} if self.content.incident_location.status == "confirmed" else {}
        since = self.content.timings.location_confirmed
        period = {"period": {"start": since}} if since else {}
        others = [{"location": reference(entry.full_url)} for entry in self._other_locations()]
        return [{"location": reference(self.url("Location")), **confirmed, **period}, *others]

    def _other_locations(self) -> Iterator[Entry]:
        for index, location in enumerate(self.content.other_locations):
            yield self._entry(f"Location/{index}", "Location", location_fields(location))

    def _locations(self) -> Iterator[Entry]:
        yield from super()._locations()
        yield from self._other_locations()

    def _care_plan(self) -> Json:
        complaint = complaint_fields(self.content, self.people)
        addresses = {"addresses": [reference(self.url("Condition"))]} if complaint else {}
        return super()._care_plan() | addresses

    def _activities(self) -> list[Json]:
        named = [{"reference": reference(self.url(role))} for role, _ in tasks(self.content)]
        return [*super()._activities(), *named]

    def _observations(self) -> Iterator[Entry]:
        """Presenting complaint and CPR have resources of their own here."""
        elsewhere = {self.url(f"Observation/{name}") for name in ("presenting_complaint", "cpr_start")}
        return (entry for entry in super()._observations() if entry.full_url not in elsewhere)

    def _statements(self) -> Iterator[Entry]:
        yield from super()._statements()
        content, people = self.content, self.people
        complaint = complaint_fields(content, people)
        if complaint:
            yield self._entry("Condition", "Condition", complaint)
        if content.timings.cpr_start:
            yield self._entry("Procedure/cpr", "Procedure", resuscitation_fields(content.timings.cpr_start, people))
        for role, topic, entry in log_entries(content):
            yield self._entry(role, "Communication", log_entry_fields(entry, topic, people))
        yield from self._questionnaires()
        yield from self._tasks()

    def _questionnaires(self) -> Iterator[Entry]:
        for questionnaire, answers in answered_questionnaires(self.content.triage):
            name = questionnaire.name
            yield self._entry(f"Questionnaire/{name}", "Questionnaire", questionnaire_fields(questionnaire))
            answered = response_fields(questionnaire, answers, self.people)
            yield self._entry(f"QuestionnaireResponse/{name}", "QuestionnaireResponse", answered)

    def _tasks(self) -> Iterator[Entry]:
        for role, action in tasks(self.content):
            since = self.tasks_since.get(self.url(role), moment(self.envelope))
            fields = task_fields(action, self.people, authored_on=since, owner_url=self.url("HealthcareService"))
            yield self._entry(role, "Task", fields)


def _frame(
    content: Request,
    envelope: Envelope,
    *,
    opened_at: datetime,
    sender_status: SenderStatus | None,
    tasks_since: Mapping[str, datetime] | None = None,
) -> ReferralFrame:
    if content.use_case in CATEGORY_5_USE_CASES:
        return ReferralFrame(content=content, envelope=envelope, opened_at=opened_at, sender_status=sender_status)
    return CadToCadFrame(
        content=content,
        envelope=envelope,
        opened_at=opened_at,
        sender_status=sender_status,
        tasks_since=tasks_since or {},
    )


def _tasks_since(previous: bytes) -> dict[str, datetime]:
    """When each Task of a message of ours was first sent."""
    found = {
        entry.full_url: read_moment(str(entry.resource.get("authoredOn")))
        for entry in verbatim_entries(orjson.loads(previous))
        if entry.resource.get("resourceType") == "Task"
    }
    return {full_url: since for full_url, since in found.items() if since is not None}


def _receivers_encounter(receivers_message: bytes, envelope: Envelope) -> tuple[Entry, ...]:
    """The one Encounter of the receiver's message that is not the sender's, without references that it alone needs."""
    own_url, patient_url = (resource_full_url(envelope.bundle_id, role) for role in ("Encounter", "Patient"))
    found = [
        entry
        for entry in verbatim_entries(parse_verbatim(receivers_message))
        if entry.resource.get("resourceType") == "Encounter" and entry.full_url != own_url
    ]
    if len(found) != 1:
        return ()
    carried = frozenset({own_url, patient_url, found[0].full_url})
    return (Entry(found[0].full_url, without_dangling(found[0].resource, carried)),)
