"""Application 4 responses: interim, rejection and final (APP4-VS)."""

from __future__ import annotations

import copy
import secrets
from dataclasses import dataclass
from datetime import datetime

from .actions import Complete, Outcome, Reject, ScriptError
from .cases import Case
from .codes import (
    ARP,
    ARP_NAMES,
    CAD_ID,
    ENCOUNTER_REASON,
    PATHWAYS_DX,
    REJECTED_REASON_NAMES,
    REJECTED_REASONS,
    RESPONSE_OUTCOMES,
    concept,
)
from .definitions import VALIDATION_FULL, VALIDATION_INTERIM
from .identity import Json
from .resources import EMERGENCY, UK_CORE, entry, instant, meta, reference, touched, urn
from .responses import echoed, response_message

_URGENCY = ("C5", "C4T", "C4", "C3", "C2", "C1")
_VALIDATED = concept(ENCOUNTER_REASON, "validation-triage-outcome", "Validation of triage outcome")
_CLINICAL = ("Location", "Flag", "Consent", "Observation", "MedicationStatement", "AllergyIntolerance")
_SUMMARY = {
    Outcome.SAME: "Seen by video; symptoms as triaged. Ambulance response confirmed.",
    Outcome.DOWNGRADE: "Symptoms milder than triaged, stable at rest. Lower category agreed with the patient.",
    Outcome.UPGRADE: "Worse than triaged: pain radiating to the left arm, clammy. Higher category needed.",
    Outcome.C1: "Patient became unresponsive during the call. Immediate response needed.",
    Outcome.HEAR_AND_TREAT: "Assessed by telephone; self care and safety-netting advice given. No ambulance needed.",
    Outcome.ONWARD_REFERRAL: "Assessed by telephone; goes to the emergency department with family. No ambulance.",
    Outcome.PATIENT_LIFTED: "No injury found; lifted and settled in a chair. No ambulance needed.",
}


@dataclass(frozen=True)
class Disposition:
    """What a final response decides."""

    arp: str | None
    care_plan_status: str
    clock_start: str
    """FHIR instant for CarePlan.period.start (the T5 rule, APP4-VS-18, -19)."""
    upgraded: bool


def interim(case: Case, now: datetime) -> Json:
    """The consultation started (APP4-VS-03, -04)."""
    own = case.encounter(now, reason=copy.deepcopy(_VALIDATED))
    return response_message(case, definition=VALIDATION_INTERIM, reason="new", own=own, entries=(), now=now)


def rejection(case: Case, action: Reject, now: datetime) -> Json:
    """The request goes back to the requester (APP4-VS-05)."""
    display = REJECTED_REASON_NAMES.get(action.code, action.text)
    own = case.encounter(now, reason=concept(REJECTED_REASONS, action.code, display, text=action.text))
    return response_message(case, definition=VALIDATION_INTERIM, reason="new", own=own, entries=(), now=now)


def final(case: Case, action: Complete, now: datetime, *, cad_id: str | None) -> Json:
    """The consultation is over (APP4-VS-10, -11); `cad_id` is the ITK case of an upgrade to C1 or C2."""
    disposition = decide(case, action, now)
    linked = urn() if cad_id else None
    entries = [
        *([entry(linked, _itk_encounter(case, cad_id, linked, now))] if linked and cad_id else []),
        entry(*_care_plan(case, action, disposition, linked, now)),
        *echoed(case, *_CLINICAL, now=now),
    ]
    own = case.encounter(now, reason=copy.deepcopy(_VALIDATED))
    reason = "update" if case.interim_sent else "new"
    return response_message(case, definition=VALIDATION_FULL, reason=reason, own=own, entries=entries, now=now)


def decide(case: Case, action: Complete, now: datetime) -> Disposition:
    """The ARP code, whether the requester must act, and the clock start. Raises ScriptError."""
    original = case.held.arp
    arp = action.arp or _arp(original, action.outcome)
    upgraded = original is not None and _urgency(arp) > _urgency(original)
    status = action.care_plan_status or ("completed" if arp == "C5" else "active")
    start = instant(now) if upgraded else _clock_start(case)
    return Disposition(arp, status, start, upgraded)


def needs_itk(disposition: Disposition) -> bool:
    """Whether an ambulance must be asked for over ITK as well (APP4-VS-21)."""
    return disposition.upgraded and disposition.arp in {"C1", "C2"}


def new_cad_id() -> str:
    """A CAD id as an ITK acknowledgement might carry it."""
    return f"S{secrets.randbelow(10**10):010d}"


def _arp(original: str | None, outcome: Outcome) -> str | None:
    match outcome:
        case Outcome.SAME:
            return original
        case Outcome.C1:
            return "C1"
        case Outcome.UPGRADE:
            return _neighbour(original, 1)
        case Outcome.DOWNGRADE:
            return _neighbour(original, -1)
        case _:
            return "C5"


def _neighbour(original: str | None, step: int) -> str:
    if original not in _URGENCY:
        raise ScriptError("the request carries no category to raise or lower; name one in the plan")
    place = _URGENCY.index(original) + step
    if not 0 <= place < len(_URGENCY):
        raise ScriptError(f"{original} cannot be moved further")
    return _URGENCY[place]


def _urgency(arp: str | None) -> int:
    """Rank among the ambulance categories; HCP codes rank as theirs, an unknown one lowest."""
    plain = {"HP4T": "C4T"}.get(arp or "", (arp or "").replace("HCP", "C"))
    return _URGENCY.index(plain) if plain in _URGENCY else -1


def _clock_start(case: Case) -> str:
    try:
        return str(case.held.one("CarePlan")["period"]["start"])
    except KeyError:
        raise ScriptError("the request carries no clock start") from None


def _care_plan(
    case: Case, action: Complete, disposition: Disposition, linked: str | None, now: datetime
) -> tuple[str, Json]:
    held = case.held.one("CarePlan")
    activity: Json = {"outcomeCodeableConcept": _outcomes(held, action, disposition)}
    if linked:
        activity["outcomeReference"] = [reference(linked)]
    changed = touched(held, now) | {
        "status": disposition.care_plan_status,
        "encounter": reference(case.encounter_url),
        "period": {"start": disposition.clock_start},
        "activity": [activity],
    }
    return case.held.full_url(held), changed


def _outcomes(held: Json, action: Complete, disposition: Disposition) -> list[Json]:
    """The codes of the request, less what the validation replaced, and the responder's own words."""
    replaced = {ARP} if action.outcome is Outcome.SAME else {ARP, PATHWAYS_DX}
    kept = [
        copy.deepcopy(outcome)
        for activity in held.get("activity", [])
        for outcome in activity.get("outcomeCodeableConcept", [])
        if outcome.get("coding") and not any(coding.get("system") in replaced for coding in outcome["coding"])
    ]
    if disposition.arp:
        kept.append(concept(ARP, disposition.arp, ARP_NAMES.get(disposition.arp)))
    if action.outcome is Outcome.PATIENT_LIFTED:
        kept.append(concept(RESPONSE_OUTCOMES, "PATLIFT", "Patient has been lifted"))
    return [*kept, {"text": _SUMMARY[action.outcome]}]


def _itk_encounter(case: Case, cad_id: str, full_url: str, now: datetime) -> Json:
    requester = case.held.one("Encounter")
    encounter: Json = {
        "resourceType": "Encounter",
        "id": full_url.removeprefix("urn:uuid:"),
        "meta": meta(now, UK_CORE + "Encounter"),
        "identifier": [{"system": CAD_ID, "value": cad_id}],
        "status": "finished",
        "class": dict(EMERGENCY),
        "subject": reference(case.held.full_url(case.held.one("Patient"))),
        "period": {"start": instant(now)},
    }
    if "episodeOfCare" in requester:
        encounter["episodeOfCare"] = copy.deepcopy(requester["episodeOfCare"])
    return encounter
