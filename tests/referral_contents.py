"""Content of referrals for tests: fixed ones, and whatever the local API accepts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import orjson
from hypothesis import strategies as st

from cad_bridge.fhir.build_referral import referral_bundle
from cad_bridge.fhir.content import Request
from cad_bridge.fhir.content_clinical import SceneSafety
from cad_bridge.fhir.content_patient import Patient
from cad_bridge.fhir.content_place import Location
from cad_bridge.fhir.content_triage import LogEntry, PreTriageSieve, RequestedAction, ResourceRequest, Triage
from cad_bridge.fhir.content_types import Code
from cad_bridge.fhir.questionnaires import NATURE_OF_CALL_DISPLAYS
from tests.contents import Json, envelope, plain_request
from tests.strategies import codings, maybe, moments, requests, several, texts, triages

CAD_TO_CAD = ("a6t1", "a6t2", "a6t3")
REFERRALS = ("a3t1", *CAD_TO_CAD)


def built(content: Request, **options: Any) -> Json:
    """The message as JSON."""
    message: Json = orjson.loads(referral_bundle(content, envelope(), **options))
    return message


def issued_ids(bundle: Json) -> dict[str, str]:
    """An id for every entry, as a receiver issues them."""
    return {entry["fullUrl"]: f"issued-{index}" for index, entry in enumerate(bundle["entry"])}


def triage(**changes: Any) -> Json:
    """Triage by NHS Pathways, as the local API takes it."""
    return plain_request().triage.model_dump(mode="json", exclude_none=True) | changes


def category_5(**changes: Any) -> Request:
    """A Category 5 referral with something of everything."""
    return plain_request(**{"use_case": "a3t1", "triage": triage(arp="C5")} | changes)


def mutual_aid(**changes: Any) -> Request:
    """A mutual aid request with something of everything that CAD to CAD can carry."""
    body: Json = {
        "use_case": "a6t3",
        "breach_at": None,
        "requested_action": "Please send two paramedics",
        "timings": {
            "bt_start": "2026-11-21T11:55:50Z",
            "call_connect": "2026-11-21T11:56:12Z",
            "call_answer": "2026-11-21T11:56:20Z",
            "location_confirmed": "2026-11-21T11:57:00Z",
            "cpr_start": "2026-11-21T11:57:30Z",
            "disposition": "2026-11-21T11:59:00Z",
        },
        "triage": triage(arp="C1", pre_triage_sieve={"breathing": False}, nature_of_call={"code": "AP1P"}),
        "other_locations": [
            {"type": "rendezvous", "what3words": "raft.metals.misty"},
            {"type": "other", "type_text": "Helicopter landing site", "uprn": "72000002"},
        ],
        "flags": [{"category": "AC", "text": "Police, log 123", "date": "2026-11-21T12:01:00Z"}],
        "call_log": [
            {"at": "2026-11-21T11:57:00Z", "text": "Caller has gone to the road"},
            {"at": "2026-11-21T11:58:00Z", "text": "CPR instructions given"},
        ],
        "crew_notes": [{"at": "2026-11-21T12:00:00Z", "text": "Lift out of order"}],
        "resource_requested": {"text": "Paramedic", "number": 2, "by": "2026-11-21T12:30:00Z"},
    }
    return plain_request(**body | changes)


def early(**changes: Any) -> Request:
    """An out of area referral straight after the pre-triage sieve: almost nothing is known."""
    body: Json = {
        "use_case": "a6t1",
        "receiver": None,
        "breach_at": None,
        "timings": {"call_connect": "2026-11-21T11:56:12Z"},
        "patient": {},
        "contacts": [],
        "caller": None,
        "incident_location": {"what3words": "raft.metals.misty"},
        "triage": {"pre_triage_sieve": {"breathing": False}},
        "presenting_complaint": None,
        "requested_action": None,
        "scene_safety": {},
        "flags": [],
    }
    return plain_request(**body | changes)


sieves = st.one_of(
    st.just(PreTriageSieve(breathing=False)),
    st.builds(
        PreTriageSieve, breathing=st.just(True), conscious=maybe(st.booleans()), noisy_breathing=maybe(st.booleans())
    ),
)
natures_of_call = st.sampled_from(list(NATURE_OF_CALL_DISPLAYS)).map(lambda code: Code(code=code))
log_entries = st.builds(LogEntry, at=moments, text=texts)


def _period(begin: datetime | None, end: datetime | None, minutes: int) -> dict[str, datetime | None]:
    """When an action is to be done, as far as it is said; never before it may begin."""
    return {"not_before": begin, "by": begin + timedelta(minutes=minutes) if begin and end else end}


periods = st.builds(_period, maybe(moments), maybe(moments), st.integers(0, 600))
actions = st.builds(
    lambda text, code, period: RequestedAction(text=text, code=code, **period), texts, maybe(codings), periods
)
resources_requested = st.builds(
    lambda text, code, number, period: ResourceRequest(text=text, code=code, number=number, **period),
    texts,
    maybe(codings),
    maybe(st.integers(1, 99)),
    periods,
)


@st.composite
def early_triages(draw: st.DrawFn) -> Triage:
    """What is known of the triage of a call that is not over: anything, or nothing."""
    whole = draw(triages)
    names = ("system", "pathways", "ampds", "arp", "summary", "clinical_narrative")
    known = {name: getattr(whole, name) if draw(st.booleans()) else None for name in names}
    return Triage(**known, notes=whole.notes, patient_expectations=draw(maybe(texts)))


@st.composite
def referrals(draw: st.DrawFn, *, use_case: str | None = None) -> Request:
    """A referral of any kind that the local API accepts."""
    chosen = use_case or draw(st.sampled_from(REFERRALS))
    base = draw(requests())
    fields = {name: getattr(base, name) for name in Request.model_fields} | {"use_case": chosen}
    fields["patient"] = _speaking(base.patient)
    if chosen == "a3t1":
        return Request(**fields | {"triage": base.triage.model_copy(update={"arp": "C5"})})
    return Request(**fields | _cad_to_cad(draw, base, chosen))


def _speaking(patient: Patient) -> Patient:
    """The patient with a language that there is: strict receivers refuse one that is no tag of BCP 47."""
    spoken = patient.communication
    if spoken is None or spoken.language is None:
        return patient
    return patient.model_copy(update={"communication": spoken.model_copy(update={"language": "cy"})})


def _cad_to_cad(draw: st.DrawFn, base: Request, use_case: str) -> dict[str, Any]:
    known = draw(early_triages()) if draw(st.booleans()) else base.triage
    asked = {"pre_triage_sieve": draw(maybe(sieves)), "nature_of_call": draw(maybe(natures_of_call))}
    by_clinician_alone = draw(st.booleans())
    if by_clinician_alone:
        asked["system"] = None
    safety = base.scene_safety
    if safety.status == "unsafe" and not safety.reasons:
        safety = SceneSafety(status="unsafe", reasons=(draw(texts),), date=safety.date)
    return {
        "breach_at": base.breach_at if draw(st.booleans()) else None,
        "patient": _speaking(base.patient) if draw(st.booleans()) else Patient(),
        "contacts": base.contacts if draw(st.booleans()) else (),
        "triage": Triage(**dict(known) | asked),
        "requested_action": draw(maybe(texts) if use_case == "a6t1" else texts),
        "scene_safety": safety,
        "call_log": draw(several(log_entries)),
        "crew_notes": draw(several(log_entries)),
        "resource_requested": None if use_case == "a6t1" else draw(maybe(resources_requested)),
        "practitioner": base.practitioner.model_copy(update={"clinician": by_clinician_alone}),
        "actions": draw(several(actions, at_least=1, at_most=2)) if by_clinician_alone else (),
    }


def as_received(content: Request) -> Request:
    """The content as a receiver must read it: a location that was not confirmed is provisional (APP6-LOC-04)."""
    place = content.incident_location
    if content.use_case not in CAD_TO_CAD or place.status is not None:
        return content
    return content.model_copy(update={"incident_location": Location(**dict(place) | {"status": "provisional"})})
