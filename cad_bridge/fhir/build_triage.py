"""Triage as CarePlan activity: one CodeableConcept per code or text, as the guide and its examples have it."""

from __future__ import annotations

from cad_bridge.fhir import codes
from cad_bridge.fhir.build_elements import Json, coded, coding, concept, filled, free_coding
from cad_bridge.fhir.codes import NARRATIVE, NOTE, ONWARD_REFERRAL, REQUESTERS_SYSTEM, SUMMARY
from cad_bridge.fhir.content import Outcome
from cad_bridge.fhir.content_arp import arp_to_wire
from cad_bridge.fhir.content_triage import Triage, TriageCodes, TriageSystem


def triage_outcomes(triage: Triage) -> list[Json]:
    """CarePlan.activity.outcomeCodeableConcept of a 999 triage (APP-COM-40)."""
    return [
        *_codes(triage),
        *_arp(triage.arp),
        *_texts(triage.summary, triage.clinical_narrative, triage.notes),
    ]


def validation_outcomes(outcome: Outcome) -> list[Json]:
    """CarePlan.activity.outcomeCodeableConcept of a validation (APP4-VS-17, APP4-VS-29)."""
    local = [concept(coding(codes.RESPONSE_OUTCOMES, code.code, code.display)) for code in outcome.outcome_codes]
    referral = [{"id": ONWARD_REFERRAL, "text": outcome.onward_referral}] if outcome.onward_referral else []
    return [
        *(_codes(outcome.triage) if outcome.triage else ()),
        *_arp(outcome.arp),
        *local,
        *_texts(outcome.summary, outcome.clinical_narrative, outcome.notes),
        *referral,
    ]


def cdss_extension(system: TriageSystem, *, of_the_requester: bool = False) -> Json:
    """CDSSExtension of the MessageHeader.

    A responder that used no system of its own repeats the requester's, which the extension is named after; an element
    id says so.
    """
    return filled(
        {
            "id": REQUESTERS_SYSTEM if of_the_requester else None,
            "url": codes.CDSS_EXTENSION,
            "extension": [
                {"url": url, "valueString": value}
                for url, value in ((codes.CDSS_SOFTWARE, system.name), (codes.CDSS_VERSION, system.version))
                if value
            ],
        }
    )


def _codes(triage: TriageCodes) -> list[Json]:
    pathways = triage.pathways
    listed = [
        coded(pathways.sg if pathways else None, codes.PATHWAYS_SG),
        coded(pathways.sd if pathways else None, codes.PATHWAYS_SD),
        coded(pathways.dx if pathways else None, codes.PATHWAYS_DX),
        coded(pathways.template if pathways else None, codes.PATHWAYS_TEMPLATE),
        coded(triage.ampds, codes.AMPDS),
    ]
    return [found for found in listed if found] + [concept(free_coding(other)) for other in triage.other_codes]


def _arp(arp: str | None) -> list[Json]:
    return [concept(coding(codes.ARP, arp_to_wire(arp), codes.ARP_DISPLAYS[arp]))] if arp else []


def _texts(summary: str | None, narrative: str | None, notes: tuple[str, ...]) -> list[Json]:
    """The texts, told apart; a note without a summary says that it is none."""
    alone = {"id": NOTE} if not (summary or narrative) else {}
    return [
        *([{"id": SUMMARY, "text": summary}] if summary else ()),
        *([{"id": NARRATIVE, "text": narrative}] if narrative else ()),
        *({**(alone if index == 0 else {}), "text": note} for index, note in enumerate(notes)),
    ]
