"""What a CAD posts to the local API: made-up patients in the CAD's own terms, times relative to now."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from .identity import Json
from .synthetic import Person


def validation_body(
    *, sender: str, receiver: str, case_number: str, person: Person, summary: str, now: datetime, breach_at: datetime
) -> Json:
    """The body of `POST /validation-requests`."""
    return _case(sender, receiver, case_number, person, now) | {
        "use_case": "a4t1",
        "breach_at": _utc(breach_at),
        "triage": _triage(summary),
        "presenting_complaint": "Palpitations",
        "requested_action": "Please validate the ambulance response",
    }


def referral_body(
    *,
    use_case: str,
    sender: str,
    receiver: str | None,
    case_number: str,
    person: Person,
    summary: str,
    requested_action: str,
    now: datetime,
) -> Json:
    """The body of `POST /referrals`; without a receiver the service finds the home AST by the incident location."""
    body = _case(sender, receiver, case_number, person, now) | {
        "use_case": use_case,
        "triage": _triage(summary),
        "requested_action": requested_action,
    }
    if use_case == "a6t3":
        by = _utc(now + timedelta(minutes=30))
        body["resource_requested"] = {"text": "Double-crewed ambulance", "number": 1, "by": by}
    return body


def early_body(full: Json) -> Json:
    """What a full referral begins with: a place that is not certain, and what the pre-triage sieve said."""
    known = ("use_case", "sender", "receiver", "case_number", "journey_id", "clock_start", "timings", "consent")
    early = {name: full[name] for name in (*known, "requested_action", "practitioner")}
    place = {name: full["incident_location"][name] for name in ("type", "latitude", "longitude")}
    sieve = {"breathing": True, "conscious": True, "noisy_breathing": False}
    return early | {"incident_location": place | {"status": "provisional"}, "triage": {"pre_triage_sieve": sieve}}


def told_more(body: Json, full: Json, stage: str) -> Json:
    """The body with what is learnt at a stage: ``patient`` (who, and where exactly) or ``triage``."""
    if stage == "triage":
        return body | {"triage": full["triage"] | body["triage"], "scene_safety": full["scene_safety"]}
    return body | {name: full[name] for name in ("patient", "contacts", "caller", "incident_location", "flags")}


def _case(sender: str, receiver: str | None, case_number: str, person: Person, now: datetime) -> Json:
    clock_start = now - timedelta(minutes=4)
    return {
        "sender": sender,
        "receiver": receiver,
        "case_number": case_number,
        "journey_id": str(uuid.uuid4()),
        "clock_start": _utc(clock_start),
        "timings": {"call_connect": _utc(now - timedelta(minutes=8)), "disposition": _utc(clock_start)},
        "patient": _patient(person),
        "contacts": _contacts(person),
        "caller": {"relationship": "neighbour", "name": {"family": "Bystander", "given": ["Robin"]}},
        "incident_location": _incident_location(person),
        "scene_safety": {"status": "safe", "reasons": []},
        "flags": [{"category": "API", "code": None, "text": "Key safe beside the door", "date": f"{now:%Y-%m-%d}"}],
        "consent": {"scope": "direct-care", "date": f"{now:%Y-%m-%d}"},
        "practitioner": {
            "sds_role_profile_id": "SB200001",
            "name": {"family": "Handler", "given": ["Casey"]},
            "role": "999 call handler",
        },
    }


def _patient(person: Person) -> Json:
    return {
        "name": {"family": person.family, "given": [person.given], "prefix": [person.prefix]},
        "nhs_number": {"value": person.nhs_number, "verification": "number-present-and-verified"},
        "local_identifier": None,
        "gender": person.gender,
        "birth_date": person.birth_date,
        "estimated_age_years": None,
        "address": {"lines": [person.line], "city": person.city, "postcode": person.postcode},
        "communication": {"language": "en", "interpreter_required": False},
        "general_practice": {"ods_code": "B86999", "name": "Sandbox Surgery"},
    }


def _contacts(person: Person) -> list[Json]:
    return [
        {
            "rank": 1,
            "relationship": "self",
            "telecom": [{"rank": 1, "system": "phone", "use": "mobile", "value": person.phone}],
        },
        {
            "rank": 2,
            "relationship": "emergency",
            "name": {"family": "Bystander", "given": ["Robin"]},
            "telecom": [{"rank": 1, "system": "phone", "use": "mobile", "value": "07700 900299"}],
        },
    ]


def _incident_location(person: Person) -> Json:
    return {
        "type": "incident",
        "status": "confirmed",
        "text": f"{person.line}, {person.city}, {person.postcode}",
        "latitude": person.latitude,
        "longitude": person.longitude,
        "easting": person.easting,
        "northing": person.northing,
        "uprn": None,
        "postcode": person.postcode,
        "supplementary": None,
    }


def _triage(summary: str) -> Json:
    return {
        "system": {"name": "NHS Pathways", "version": "41.2.0"},
        "pathways": {
            "sg": {"code": "SG1137", "display": "Palpitations"},
            "sd": {"code": "SD4033", "display": "AMB new/worsening breathlessness"},
            "dx": {"code": "Dx0122", "display": "Emergency Ambulance Response (Category 3)"},
        },
        "ampds": None,
        "arp": "C3",
        "summary": summary,
        "clinical_narrative": None,
    }


def _utc(moment: datetime) -> str:
    """As the CAD writes times: whole seconds, Z."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
