"""Acknowledgements, rejections and final responses of a validation, as content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cad_bridge.fhir import codes
from cad_bridge.fhir.codes import ONWARD_REFERRAL
from cad_bridge.fhir.content import Acknowledgement, ReceivedOutcome, RejectionReason
from cad_bridge.fhir.content_arp import needs_ambulance
from cad_bridge.fhir.content_triage import TriageCodes
from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.read_clinical import read_allergy, read_medication
from cad_bridge.fhir.read_elements import codings_of, moment_of, same_system, system_of
from cad_bridge.fhir.read_encounter import case_number_of
from cad_bridge.fhir.read_nodes import Node
from cad_bridge.fhir.read_request import RequestReader
from cad_bridge.fhir.read_triage import Outcomes, read_outcomes, read_triage_system


def read_acknowledgement(bundle: Mapping[str, Any]) -> Acknowledgement:
    """What the synchronous answer says: ids issued, and the receiver's case number. Never raises (X-30, CORE-SYNC-08).

    The receiver's Encounter is the planned one that is not the sender's; where none is planned, the only other one.
    """
    reader = _ResponseReader(bundle)
    planned = reader.receivers_encounter()
    index = reader.index
    return Acknowledgement(
        remote_case_number=case_number_of(planned),
        remote_encounter_id=_id(planned),
        remote_encounter_full_url=index.url_of(planned) if planned.exists else None,
        service_request_id=_id(reader.service_request),
        issued_ids={url: held for url, node in index.entries if isinstance(url, str) and (held := _id(node))},
    )


def read_rejection(bundle: Mapping[str, Any]) -> RejectionReason:
    """Why the responder refused, from its Encounter. Never raises; everything is None where it said nothing."""
    return rejection_of(_ResponseReader(bundle).responders_encounter())


def read_feedback(bundle: Mapping[str, Any]) -> RejectionReason:
    """What a CAS tells of a patient who did not attend (DT-21): by its Encounter, else by the revoked ServiceRequest.

    No page says where it stands. Never raises.
    """
    reader = _ResponseReader(bundle)
    said = rejection_of(reader.responders_encounter())
    return said if said != RejectionReason() else rejection_of(reader.service_request)


def rejection_of(encounter: Node) -> RejectionReason:
    """The reason that an Encounter, or a ServiceRequest, gives."""
    concepts = encounter.items("reasonCode")
    coded = [coding for concept in concepts for coding in codings_of(concept)]
    listed = [coding for coding in coded if same_system(system_of(coding), codes.REJECTED_REASONS)] or coded
    code = listed[0].child("code").token() if listed else None
    display = listed[0].child("display").text() if listed else None
    texts = [text for concept in concepts if (text := concept.child("text").text())]
    known = codes.REJECTED_REASON_DISPLAYS.get(code or "")
    return RejectionReason(code=code, text="\n".join(texts) or None, display=None if display == known else display)


def read_outcome(bundle: Mapping[str, Any]) -> tuple[ReceivedOutcome, list[Issue]]:
    """The result of a validation, and what is wrong with the message. Never raises on a JSON object.

    Whether dispatch is required follows from CarePlan.status alone (X-50); `contradictory` says that the ARP category
    disagrees. `flags`, `scene_safety` and `incident_location` are those that now hold, changed or not.
    """
    reader = _ResponseReader(bundle)
    content = reader.outcome()
    return content, list(dict.fromkeys(reader.index.ledger.issues))


class _ResponseReader(RequestReader):
    """A response is the request again, with the responder's Encounter and CarePlan."""

    of_a_request = False

    def outcome(self) -> ReceivedOutcome:
        request = self.content()
        encounter = self.responders_encounter()
        outcomes = read_outcomes(self.care_plan)
        required = {"active": True, "completed": False}.get(
            str(self.care_plan.child("status").choice("active", "completed"))
        )
        own_url = self.index.url_of(encounter) if encounter.exists else None
        fields = {
            "dispatch_required": required,
            "arp": outcomes.arp,
            "contradictory": self._contradictory(required, outcomes),
            "triage": self._triage(outcomes),
            "clock_start": moment_of(self.care_plan.child("period").child("start")),
            "disposition_at": moment_of(self.care_plan.child("created")),
            **outcomes.narrated(),
            "outcome_codes": tuple(outcomes.local),
            "onward_referral": outcomes.texts.get(ONWARD_REFERRAL),
            "new_cad_id": self._new_cad_id(encounter),
            "incident_location": request.incident_location,
            "coordinate_readings": request.coordinate_readings,
            "practitioner": request.practitioner,
            "request": request,
            "scene_safety": request.scene_safety,
            "flags": request.flags,
            "medications": self._own("MedicationStatement", "context", own_url, read_medication),
            "allergies": self._own("AllergyIntolerance", "encounter", own_url, read_allergy),
        }
        self.index.take(encounter)
        _mark_own(encounter)
        left = {"other_resources": self.index.other_resources(), "also_sent": self.index.also_sent()}
        return ReceivedOutcome(**fields, **left)

    def location_status(self) -> str | None:
        """As the responder's Encounter has it, where it changed the location; else as the requester's has it."""
        place = self.place_in(self.responders_encounter())
        if place.exists:
            return "confirmed" if place.child("status").choice("active") else "provisional"
        return super().location_status()

    def responders_encounter(self) -> Node:
        """The focus, if it is an Encounter; else the one that is not the requester's (X-06)."""
        focus = self.index.at(self.header.first("focus").target(), "Encounter")
        return focus if focus.exists else self.receivers_encounter()

    def receivers_encounter(self) -> Node:
        """The planned Encounter of the other side; where none is planned, the only one that is not the sender's."""
        others = [node for node in self.index.all("Encounter") if node.path != self._senders_path()]
        planned = [node for node in others if node.child("status").word == "planned"]
        if planned or len(others) == 1:
            return (planned or others)[0]
        return Node(None, "Bundle", self.index.ledger)

    def _senders_path(self) -> str | None:
        linked = self.index.at(self.service_request.child("encounter").target(), "Encounter")
        return linked.path if linked.exists else None

    def _triage(self, outcomes: Outcomes) -> TriageCodes | None:
        system = read_triage_system(self.header)
        codes_sent = (outcomes.pathways, outcomes.known.get("ampds"), tuple(outcomes.other))
        if system is None and not any(codes_sent):
            return None
        pathways, ampds, other = codes_sent
        return TriageCodes(system=system, pathways=pathways, ampds=ampds, other_codes=other)

    def _new_cad_id(self, responders: Node) -> str | None:
        """Identifier of the third Encounter: the one the CarePlan refers to, else one with an ITK CAD id (V15)."""
        linked = [
            link.target()
            for activity in self.care_plan.items("activity")
            for link in activity.items("outcomeReference")
        ]
        known = {responders.path, self._senders_path()}
        third = [node for node in self.index.all("Encounter") if node.path not in known]
        for node in third:
            for identifier in node.items("identifier"):
                is_itk = same_system(system_of(identifier), codes.ITK_CAD_ID)
                if is_itk or self.index.url_of(node) in linked:
                    self.index.take(node)
                    node.expect("status", "finished")
                    node.child("class").done()
                    return identifier.child("value").token()
        return None

    def _own(self, resource_type: str, link: str, own_url: str | None, read: Any) -> tuple[Any, ...]:
        """Resources of the responder's own Encounter; those of the request are echoes."""
        nodes = [node for node in self.index.all(resource_type) if node.child(link).target() == own_url]
        return tuple(content for node in nodes if own_url and (content := read(node)))

    def _contradictory(self, required: bool | None, outcomes: Outcomes) -> bool:
        """APP4-VS-16. No CarePlan.status is a contradiction as well: nothing may be closed on it."""
        needed = needs_ambulance(outcomes.arp)
        contradictory = required is None or (needed is not None and needed is not required)
        if contradictory:
            self.index.ledger.warn(
                f"{self.care_plan.path}.status",
                "business-rule",
                "CarePlan.status and ARP category disagree: keep the case live and alert a user.",
                "APP4-VS-16",
            )
        return contradictory


def _mark_own(encounter: Node) -> None:
    """Mark what only frames the responder's Encounter."""
    case_number_of(encounter)
    encounter.expect("status", "finished", "triaged")
    encounter.child("class").done()
    for concept in encounter.items("reasonCode"):
        for coding in codings_of(concept):
            if coding.child("code").word == codes.VALIDATION_OUTCOME:
                coding.done()


def _id(node: Node) -> str | None:
    held = node.child("id").word
    return held if isinstance(held, str) and held else None
