"""Triage codes and texts of a received CarePlan, whoever made it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cad_bridge.fhir import codes
from cad_bridge.fhir.codes import NARRATIVE, NOTE, ONWARD_REFERRAL, REQUESTERS_SYSTEM, SUMMARY
from cad_bridge.fhir.content_arp import arp_from_wire
from cad_bridge.fhir.content_triage import Pathways, TriageSystem
from cad_bridge.fhir.content_types import Code, Coding
from cad_bridge.fhir.read_elements import code_of, coding_of, codings_of, same_system, system_of
from cad_bridge.fhir.read_nodes import Node
from cad_bridge.fhir.read_patient import extension

_FIELDS = {
    codes.PATHWAYS_SG: "sg",
    codes.PATHWAYS_SD: "sd",
    codes.PATHWAYS_DX: "dx",
    codes.PATHWAYS_TEMPLATE: "template",
    codes.AMPDS: "ampds",
    codes.ARP: "arp",
    codes.RESPONSE_OUTCOMES: "local",
}


@dataclass
class Outcomes:
    """What CarePlan.activity.outcomeCodeableConcept says."""

    known: dict[str, Code] = field(default_factory=dict)
    local: list[Code] = field(default_factory=list)
    other: list[Coding] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    is_told_apart: bool = False
    """Whether the sender says which of its texts is the summary, be it none of them."""

    @property
    def pathways(self) -> Pathways | None:
        """The NHS Pathways codes."""
        found = {name: self.known[name] for name in ("sg", "sd", "dx", "template") if name in self.known}
        return Pathways(**found) if found else None

    @property
    def arp(self) -> str | None:
        """The ARP category as this system spells it."""
        return arp_from_wire(self.known["arp"].code) if "arp" in self.known else None

    def narrated(self) -> dict[str, Any]:
        """Summary, narrative and notes. Texts that nobody told apart are a summary, then notes, in their order."""
        notes = list(self.notes)
        summary = self.texts.get(SUMMARY)
        if not self.is_told_apart and notes:
            summary = notes.pop(0)
        return {"summary": summary, "clinical_narrative": self.texts.get(NARRATIVE), "notes": tuple(notes)}


def read_outcomes(care_plan: Node) -> Outcomes:
    """All outcome codes and texts of a CarePlan, with issues for an ARP category that is missing or unknown."""
    outcomes = Outcomes()
    for activity in care_plan.items("activity"):
        for concept in activity.items("outcomeCodeableConcept"):
            _read_concept(concept, outcomes)
    _check_arp(care_plan, outcomes)
    return outcomes


def read_triage_system(header: Node) -> TriageSystem | None:
    """The clinical decision support system; None if a responder only repeats the requester's."""
    found = extension(header, codes.CDSS_EXTENSION) or extension(header.child("source"), codes.CDSS_EXTENSION)
    if found is None:
        return None
    parts = {str(part.child("url").value).lower(): part.child("valueString") for part in found.items("extension")}
    name, version = parts.get(codes.CDSS_SOFTWARE.lower()), parts.get(codes.CDSS_VERSION.lower())
    said = name.text() if name else None
    if said is None:
        return None
    released = version.text() if version else None
    if found.child("id").word == REQUESTERS_SYSTEM:
        return None
    return found.make(TriageSystem, name=said, version=released)


def read_next_activity(care_plan: Node) -> str | None:
    """What is to happen next."""
    for activity in care_plan.items("activity"):
        description = activity.child("detail").child("description").text()
        if description:
            activity.child("detail").expect("status", "not-started", "scheduled")
            return description
    return None


def _read_concept(concept: Node, outcomes: Outcomes) -> None:
    displays = [coding.child("display").value for coding in codings_of(concept)]
    for coding in codings_of(concept):
        _read_coding(coding, outcomes)
    text, kind = concept.child("text").text(), concept.child("id").word
    if text is None or text in displays:
        return
    outcomes.is_told_apart = outcomes.is_told_apart or kind in {SUMMARY, NARRATIVE, ONWARD_REFERRAL, NOTE}
    if kind in {SUMMARY, NARRATIVE, ONWARD_REFERRAL} and kind not in outcomes.texts:
        outcomes.texts[kind] = text
    else:
        outcomes.notes.append(text)


def _read_coding(coding: Node, outcomes: Outcomes) -> None:
    name = _field_of(system_of(coding))
    if name == "local":
        local = code_of(coding)
        outcomes.local += [local] if local else []
    elif name is None or name in outcomes.known:
        other = coding_of(coding)
        outcomes.other += [other] if other else []
    else:
        code = code_of(coding)
        if code:
            outcomes.known[name] = code
        if code and name == "arp" and arp_from_wire(code.code) not in codes.ARP_DISPLAYS:
            # What its sender calls it must not be lost.
            other = coding_of(coding)
            outcomes.other += [other] if other else []


def _field_of(system: str) -> str | None:
    for other, meant in codes.TRIAGE_SYSTEM_ALIASES.items():
        if same_system(system, other):
            return _FIELDS[meant]
    return next((name for known, name in _FIELDS.items() if same_system(system, known)), None)


def _check_arp(care_plan: Node, outcomes: Outcomes) -> None:
    at = f"{care_plan.path}.activity.outcomeCodeableConcept"
    if outcomes.arp is None:
        care_plan.ledger.warn(at, "required", "No ARP category: the priority is unknown, do not downgrade.", "S19")
    elif outcomes.arp not in codes.ARP_DISPLAYS:
        care_plan.ledger.warn(at, "code-invalid", "The ARP category is not of the published list.", "APP4-VS-17")
