"""Status responses of CAD to CAD, as content (Application 6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cad_bridge.fhir.build_status import REFUSABLE_USE_CASES, STATUSES
from cad_bridge.fhir.content import ReceivedRequest, ReportedStatus, StatusReport
from cad_bridge.fhir.content_clinical import Practitioner
from cad_bridge.fhir.content_triage import Timings, Triage
from cad_bridge.fhir.encounters import NO_OWN_ENCOUNTERS, OwnEncounters
from cad_bridge.fhir.facts import focus_encounter, read_facts
from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.read_elements import moment_of, organisation_of
from cad_bridge.fhir.read_encounter import case_number_of, mark_class, read_call_times
from cad_bridge.fhir.read_nodes import Node
from cad_bridge.fhir.read_request import RequestReader
from cad_bridge.fhir.read_response import rejection_of
from cad_bridge.fhir.read_triage import read_triage_system


def read_status(bundle: Mapping[str, Any], own: OwnEncounters | None = None) -> tuple[StatusReport, list[Issue]]:
    """How the receiver's case stands, and what is wrong with the message. Never raises on a JSON object.

    `own` are the sender's, that is this service's, Encounters in the conversation: with them the receiver's is found
    also where the focus is not an Encounter (APP6-RSP-06). The statusHistory of the sender's Encounter holds call
    times, that of the receiver's the statuses of the case (APP6-TIM-07).
    """
    reader = _StatusReader(bundle)
    report = reader.report(own or NO_OWN_ENCOUNTERS)
    return report, list(dict.fromkeys(reader.index.ledger.issues))


class _StatusReader(RequestReader):
    """A short response: part of the request again, with the receiver's Encounter."""

    of_a_request = False

    def __init__(self, bundle: Mapping[str, Any]) -> None:
        super().__init__(bundle)
        self._facts = read_facts(bundle)

    def report(self, own: OwnEncounters) -> StatusReport:
        """Everything."""
        responders = self._responders(own)
        self.encounter = self._senders(responders)
        request = self._request()
        self.index.ledger.issues.clear()  # what the receiver repeats of our own request is not the receiver's fault
        self.index.take(self.encounter, responders)
        fields = self._status_of(responders)
        practitioner = self._practitioner_sent()
        left = {"other_resources": self.index.other_resources(), "also_sent": self.index.also_sent()}
        return StatusReport(**fields, practitioner=practitioner, request=request, **left)

    def _responders(self, own: OwnEncounters) -> Node:
        """The receiver's Encounter; absent where it cannot be told, for nothing is guessed (X-06)."""
        found = focus_encounter(self._facts, own)
        if found is not None:
            for url, node in self.index.entries:
                is_encounter = node.value.get("resourceType") == "Encounter"
                if is_encounter and (url, node.child("id").word) == (found.full_url, found.id):
                    return node
        return Node(None, "Bundle", self.index.ledger)

    def _senders(self, responders: Node) -> Node:
        others = [node for node in self.index.all("Encounter") if node.path != responders.path]
        if responders.exists and len(others) == 1:
            return others[0]
        return self.index.at(self.service_request.child("encounter").target(), "Encounter")

    def _request(self) -> ReceivedRequest:
        timings = Timings(**read_call_times(self.encounter))
        status = self.encounter.child("status").token()
        mark_class(self.encounter)
        self.service_request.child("authoredOn").done()
        receiver = self.index.at(self.header.first("destination").child("receiver").target(), "Organization")
        said = self._addressing() | self._patient_and_contacts() | {"receiving_service": organisation_of(receiver)}
        return ReceivedRequest(
            **said,
            timings=timings,
            triage=Triage(system=read_triage_system(self.header)),
            breach_at=moment_of(self.service_request.child("occurrencePeriod").child("end")),
            sender_encounter_status=status,
        )

    def _status_of(self, encounter: Node) -> dict[str, Any]:
        status = encounter.child("status").token()
        history = tuple(_reported(entry) for entry in encounter.items("statusHistory"))
        self._check(encounter, status, history)
        mark_class(encounter)
        _mark_periods(encounter, {entry.since for entry in history})
        return {
            "status": status,
            "since": _since(status, history),
            "last_updated": moment_of(encounter.child("meta").child("lastUpdated")),
            "history": history,
            "case_number": case_number_of(encounter),
            "encounter_id": encounter.child("id").token(),
            "encounter_full_url": self.index.url_of(encounter) if encounter.exists else None,
            "reason": rejection_of(encounter) if status == "cancelled" else None,
        }

    def _check(self, encounter: Node, status: str | None, history: tuple[ReportedStatus, ...]) -> None:
        """What a dispatcher must know about the status: what cannot be read, or must not be believed."""

        def warn(element: str, code: str, said: str, rule: str) -> None:
            self.index.ledger.warn(f"{encounter.path}.{element}", code, said, rule)

        if not encounter.exists:
            said = "It cannot be told which Encounter is the receiver's: the status is unknown."
            self.index.ledger.warn("Bundle.entry.resource.ofType(Encounter)", "business-rule", said, "APP6-RSP-06")
            return
        if status not in STATUSES:
            warn("status", "code-invalid", "The case has a status that status responses do not know.", "APP6-RSP-02")
        if status == "cancelled":
            self._check_refusal(encounter, warn)
        if not any(entry.status and entry.since for entry in history):
            warn("statusHistory", "required", "The history of statuses is missing.", "APP6-RSP-08")
        elif status not in {entry.status for entry in history}:
            warn("statusHistory", "business-rule", "The history lacks the present status.", "APP6-RSP-08")

    def _check_refusal(self, encounter: Node, warn: Any) -> None:
        if self._use_case() not in REFUSABLE_USE_CASES:
            warn("status", "business-rule", "Only call assist and mutual aid can be refused.", "APP6-RSP-11")
        reason = rejection_of(encounter)
        if reason.code is None:
            warn("reasonCode", "required", "A refusal says its reason as a code.", "APP6-RSP-10")
        elif reason.code == "OTH" and reason.text is None:
            warn("reasonCode", "required", "Another reason is said in words.", "APP6-RSP-10")

    def _practitioner_sent(self) -> Practitioner | None:
        """Who answers: the only practitioner of the message, or of the organisation that sends it."""
        organisation = self.header.child("sender").target()
        roles = self.index.all("PractitionerRole")
        own = [role for role in roles if role.child("organization").target() == organisation]
        chosen = own if len(own) == 1 else roles
        if len(chosen) != 1:
            return None
        return self.practitioner(Node({"reference": self.index.url_of(chosen[0])}, "Bundle", self.index.ledger))


def _reported(entry: Node) -> ReportedStatus:
    since = moment_of(entry.child("period").child("start"))
    return ReportedStatus(status=entry.child("status").token(), since=since)


def _mark_periods(encounter: Node, known: set[datetime | None]) -> None:
    """Mark the moments that only repeat the history; others stay among what was not read."""
    periods = [encounter.child("period"), *(entry.child("period") for entry in encounter.items("statusHistory"))]
    for end in (period.child(name) for period in periods for name in ("start", "end")):
        if moment_of(end) not in known:
            end.ledger.forget(end.path)


def _since(status: str | None, history: tuple[ReportedStatus, ...]) -> datetime | None:
    """The last time that the case took the status; a case that was stood down is planned twice."""
    times = [entry.since for entry in history if entry.since is not None and entry.status == status]
    return max(times, default=None)
