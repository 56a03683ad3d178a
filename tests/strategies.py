"""hypothesis strategies for the clinical content: whatever the local API accepts, in full."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from cad_bridge.fhir import codes
from cad_bridge.fhir.content import Outcome, Request
from cad_bridge.fhir.content_arp import ARP_CODES, needs_ambulance
from cad_bridge.fhir.content_clinical import Allergy, Consent, Flag, Medication, Practitioner, SceneSafety
from cad_bridge.fhir.content_flag_codes import FLAG_CODE_LISTS
from cad_bridge.fhir.content_patient import Caller, Communication, Contact, NhsNumber, Patient, SocialContext
from cad_bridge.fhir.content_place import Location
from cad_bridge.fhir.content_triage import Pathways, Timings, Triage, TriageCodes, TriageSystem
from cad_bridge.fhir.content_types import Address, Code, Coding, LocalIdentifier, Name, Organisation, Telecom
from tests.contents import REQUESTER, RESPONDER

texts = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t"), min_size=1, max_size=30
).filter(str.strip)
"""Free text with everything people type or paste: line breaks, accents, non-breaking blanks, other scripts."""
tokens = st.from_regex(r"[A-Za-z0-9._-]{1,12}( [A-Za-z0-9]{1,4})?", fullmatch=True)
uris = st.from_regex(r"https://example\.org/[a-z]{1,8}", fullmatch=True)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
dates = st.dates(date(1900, 1, 1), date(2035, 1, 1))
when = st.one_of(dates, moments)
ranks = st.integers(1, 9)
degrees = {
    "latitude": st.floats(49.0, 61.0),
    "longitude": st.floats(-9.0, 3.0),
}
metres = st.one_of(st.integers(0, 1_300_000), st.floats(0, 1_300_000))
uuids = st.builds(uuid.UUID, int=st.integers(0, 2**128 - 1), version=st.just(4))


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The value, or that it is not known."""
    return st.one_of(st.none(), strategy)


def several(strategy: st.SearchStrategy[Any], *, at_least: int = 0, at_most: int = 3) -> st.SearchStrategy[Any]:
    """A tuple of them."""
    return st.lists(strategy, min_size=at_least, max_size=at_most).map(tuple)


def fields(model: Any, **strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A model of these fields. Those that make no model (nothing known, say) are not drawn."""
    return (
        st.fixed_dictionaries(strategies)
        .filter(lambda drawn: _is_valid(model, drawn))
        .map(lambda drawn: model(**drawn))
    )


def _is_valid(model: Any, drawn: dict[str, Any]) -> bool:
    try:
        model(**drawn)
    except ValueError:
        return False
    return True


codes_ = fields(Code, code=tokens, display=maybe(texts))
codings = fields(Coding, system=uris, code=tokens, display=maybe(texts))
names = fields(
    Name,
    family=maybe(texts),
    given=several(texts),
    prefix=several(texts, at_most=1),
    suffix=several(texts, at_most=1),
    text=maybe(texts),
).filter(lambda name: name.text is None or name.text != Name.model_construct(**(dict(name) | {"text": None})).full)
"""A text that only repeats the parts is not drawn: it is not worth keeping apart."""
telecom_systems = st.sampled_from(["phone", "email", "sms", "pager", "fax", "url", "other"])
telecom_uses = maybe(st.sampled_from(["home", "work", "temp", "old", "mobile"]))
telecoms = fields(Telecom, system=telecom_systems, use=telecom_uses, value=texts, rank=maybe(ranks))
addresses = fields(
    Address,
    use=maybe(st.sampled_from(["home", "work", "temp", "old", "billing"])),
    text=maybe(texts),
    lines=several(texts),
    city=maybe(texts),
    district=maybe(texts),
    postcode=maybe(texts),
    country=maybe(texts),
).filter(lambda address: address != Address(use=address.use))
organisations = fields(Organisation, ods_code=maybe(tokens), name=maybe(texts))
local_identifiers = fields(LocalIdentifier, value=tokens, system=maybe(uris))
genders = maybe(st.sampled_from(["male", "female", "other", "unknown"]))
communications = fields(
    Communication,
    language=maybe(st.sampled_from(["en", "cy", "q4", "rom", "zh-Hant"])),
    language_display=maybe(texts),
    interpreter_required=maybe(st.booleans()),
    preferred_contact_method=maybe(st.sampled_from(list(codes.PREFERRED_CONTACT_METHODS))),
    preferred_contact_times=maybe(texts),
    preferred_written_format=maybe(st.sampled_from(list(codes.PREFERRED_WRITTEN_FORMATS))),
).filter(lambda said: (said.language or not said.language_display) and said != Communication())
relationships = st.one_of(st.sampled_from(list(codes.RELATIONSHIPS)), st.sampled_from(["Daughter", "U"]), texts)
callers = fields(
    Caller,
    relationship=maybe(relationships),
    name=maybe(names),
    telecom=several(telecoms),
    gender=genders,
    communication=maybe(communications),
)


@st.composite
def nhs_numbers(draw: st.DrawFn) -> NhsNumber:
    """A number whose last digit is its check digit."""
    digits = draw(st.lists(st.integers(0, 9), min_size=9, max_size=9).filter(lambda found: _check(found) != 10))
    value = "".join(map(str, [*digits, _check(digits)]))
    status = draw(maybe(st.sampled_from(list(codes.NHS_NUMBER_VERIFICATION_DISPLAYS))))
    return NhsNumber(value=value, verification=status)


def _check(digits: list[int]) -> int:
    return (11 - sum(digit * weight for digit, weight in zip(digits, range(10, 1, -1), strict=True)) % 11) % 11


ages = st.one_of(st.integers(0, 120), st.floats(0, 120).map(lambda age: round(age, 2)))
estimates = st.one_of(
    st.just({}),
    *(ages.map(lambda age, unit=unit: {f"estimated_age_{unit}": age}) for unit in ("years", "months", "weeks")),
)
birth_dates = st.one_of(dates.map(date.isoformat), dates.map(lambda day: day.isoformat()[:7]), st.just("1951"))
_patients = st.fixed_dictionaries(
    {
        "name": maybe(names),
        "nhs_number": maybe(nhs_numbers()),
        "local_identifier": maybe(local_identifiers),
        "telecom": several(telecoms),
        "gender": genders,
        "birth_sex": maybe(st.sampled_from(list(codes.BIRTH_SEXES))),
        "birth_date": maybe(birth_dates),
        "age_group": maybe(texts),
        "ethnicity": maybe(codes_),
        "address": maybe(addresses),
        "communication": maybe(communications),
        "general_practice": maybe(organisations),
        "overseas_visitor_status": maybe(st.sampled_from(list(codes.RESIDENTIAL_STATUSES))),
    }
)
patients = st.builds(lambda known, estimate: Patient(**known, **estimate), _patients, estimates)
households = st.one_of(
    st.sampled_from(list(codes.HOUSEHOLD_COMPOSITION_DISPLAYS)).map(lambda code: Code(code=code)), codes_
)
social_contexts = fields(
    SocialContext,
    household_composition=maybe(households),
    social_circumstances=maybe(texts),
    accommodation=maybe(texts),
).filter(lambda social: social != SocialContext())


@st.composite
def ranked_contacts(draw: st.DrawFn) -> tuple[Contact, ...]:
    """One to three contacts in order of rank, each with ranked methods; the first has a phone."""
    count = draw(st.integers(1, 3))
    return tuple(
        Contact(
            rank=rank,
            relationship=draw(relationships),
            name=draw(maybe(names)),
            gender=draw(genders),
            telecom=_ranked(draw, with_phone=rank == 1),
        )
        for rank in range(1, count + 1)
    )


def _ranked(draw: st.DrawFn, *, with_phone: bool) -> tuple[Telecom, ...]:
    order = draw(st.permutations(range(1, draw(st.integers(1, 3)) + 1)))
    kinds = [draw(telecom_systems) for _ in order]
    if with_phone:
        kinds[0] = "phone"
    return tuple(
        Telecom(system=kind, use=draw(telecom_uses), value=draw(texts), rank=rank)
        for kind, rank in zip(kinds, order, strict=True)
    )


@st.composite
def locations(draw: st.DrawFn, *, kind: str = "incident") -> Location:
    """A place with all that may be known of it, and a UPRN so that it can be placed."""
    point = {name: draw(strategy) for name, strategy in degrees.items()} if draw(st.booleans()) else {}
    grid = {"easting": draw(metres), "northing": draw(metres)} if draw(st.booleans()) else {}
    return Location(
        **point,
        **grid,
        altitude=draw(maybe(st.floats(-100, 2000))) if point else None,
        type=kind,
        type_text=draw(texts if kind == "other" else maybe(texts)),
        status=draw(maybe(st.sampled_from(["provisional", "confirmed"]))) if kind == "incident" else None,
        name=draw(maybe(texts)),
        text=draw(maybe(texts)),
        accuracy_percent=draw(maybe(st.one_of(st.integers(0, 100), st.floats(0, 100)))),
        uprn=draw(tokens),
        paf_key=draw(maybe(tokens)),
        what3words=draw(maybe(tokens)),
        lines=draw(several(texts)),
        city=draw(maybe(texts)),
        district=draw(maybe(texts)),
        postcode=draw(maybe(texts)),
        country=draw(maybe(texts)),
        supplementary=draw(maybe(texts)),
    )


pathways = fields(Pathways, sg=codes_, sd=codes_, dx=codes_, template=maybe(codes_))
triage_systems = fields(
    TriageSystem, name=st.sampled_from(["NHS Pathways", "Pathways", "PaCCS", "AMPDS"]), version=texts
)
triages = st.builds(
    lambda drawn, by_pathways, code: Triage(
        **drawn,
        pathways=code if by_pathways else None,
        ampds=None if by_pathways else code.sg,
    ),
    st.fixed_dictionaries(
        {
            "system": triage_systems,
            "other_codes": several(codings),
            "arp": st.sampled_from(ARP_CODES),
            "summary": texts,
            "clinical_narrative": maybe(texts),
            "notes": several(texts),
            "patient_expectations": maybe(texts),
        }
    ),
    st.booleans(),
    pathways,
)


@st.composite
def flags(draw: st.DrawFn) -> Flag:
    """A flag of any category but scene safety, coded or not."""
    category = draw(st.sampled_from([code for code in codes.FLAG_CATEGORY_DISPLAYS if code != "SS"]))
    said = {"category": category, "text": draw(maybe(texts)), "date": draw(maybe(when))}
    if draw(st.booleans()):
        return Flag(**said)
    if category in FLAG_CODE_LISTS:
        return Flag(**said, code=Code(code=draw(st.sampled_from(list(FLAG_CODE_LISTS[category][1])))))
    return Flag(**said, code=Code(code=draw(tokens), display=draw(texts)), code_system=draw(uris))


scene_safeties = fields(
    SceneSafety,
    status=st.sampled_from(["safe", "unsafe", "unknown"]),
    reasons=several(texts).map(lambda found: tuple(dict.fromkeys(found))),
    date=maybe(when),
).map(lambda safety: safety.model_copy(update={"reasons": tuple(dict.fromkeys(safety.reasons))}))
allergies = fields(
    Allergy,
    text=maybe(texts),
    code=maybe(codings),
    category=maybe(st.sampled_from(["food", "medication", "environment", "biologic"])),
    reaction=maybe(texts),
    severity=maybe(st.sampled_from(["mild", "moderate", "severe"])),
    date=maybe(when),
)
medications = fields(
    Medication,
    text=maybe(texts),
    code=maybe(codings),
    dosage=maybe(texts),
    reason=maybe(texts),
    date=maybe(when),
)
practitioners = fields(
    Practitioner,
    sds_role_profile_id=tokens,
    local_identifier=maybe(fields(LocalIdentifier, value=tokens, system=uris)),
    name=maybe(names),
    role=maybe(texts),
    role_code=maybe(codings),
    specialty=maybe(codings),
    clinician=st.booleans(),
    organisation=maybe(fields(Organisation, ods_code=tokens, name=texts)),
    telecom=several(telecoms),
)
consents = fields(Consent, date=when, text=maybe(texts))


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """A validation request that the local API accepts."""
    clock_start = draw(moments)
    incident = draw(locations())
    return Request(
        use_case=draw(st.sampled_from(["a4t1", "a4t2", "a4t3"])),
        sender=REQUESTER.service_id,
        receiver=RESPONDER.service_id,
        case_number=draw(texts),
        journey_id=draw(uuids),
        clock_start=clock_start,
        breach_at=clock_start + timedelta(minutes=draw(st.integers(1, 600))),
        timings=_timings(draw, confirmed=incident.status == "confirmed"),
        patient=draw(patients),
        social_context=draw(maybe(social_contexts)),
        contacts=draw(ranked_contacts()),
        caller=draw(maybe(callers)),
        incident_location=incident,
        other_locations=draw(
            several(
                st.sampled_from(["caller", "rendezvous", "other"]).flatmap(lambda kind: locations(kind=kind)), at_most=2
            )
        ),
        triage=draw(triages),
        presenting_complaint=draw(maybe(texts)),
        presenting_complaint_code=draw(maybe(codings)),
        chief_concern=draw(maybe(texts)),
        acuity=draw(maybe(texts)),
        next_activity=draw(maybe(texts)),
        allergies=draw(several(allergies, at_most=2)),
        medications=draw(several(medications, at_most=2)),
        requested_action=draw(maybe(texts)),
        scene_safety=draw(scene_safeties),
        flags=draw(several(flags())),
        consent=draw(consents),
        practitioner=draw(practitioners),
        birth_sex_consent=True,
    )


def _timings(draw: st.DrawFn, *, confirmed: bool) -> Timings:
    names_ = ("call_answer", "bt_start", "disposition", "cpr_start", *(("location_confirmed",) if confirmed else ()))
    times = {name: draw(maybe(moments)) for name in names_}
    connect = draw(moments if times["call_answer"] is None else maybe(moments))
    return Timings(call_connect=connect, **times)


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    """The outcome of a validation that the local API accepts, with its clock start."""
    arp = draw(st.sampled_from(ARP_CODES))
    system = draw(maybe(triage_systems))
    coded = draw(maybe(pathways))
    return Outcome(
        dispatch_required=bool(needs_ambulance(arp)),
        arp=arp,
        triage=TriageCodes(system=system, pathways=coded) if system or coded else None,
        clock_start=draw(moments),
        disposition_at=draw(maybe(moments)),
        summary=draw(texts),
        clinical_narrative=draw(maybe(texts)),
        notes=draw(several(texts)),
        outcome_codes=draw(several(st.one_of(st.just(Code(code="PATLIFT")), codes_), at_most=2)),
        onward_referral=draw(maybe(texts)),
        new_cad_id=draw(maybe(tokens)),
        practitioner=draw(practitioners),
        incident_location=draw(maybe(locations())),
        scene_safety=draw(maybe(scene_safeties)),
        flags=draw(maybe(several(flags()))),
        medications=draw(several(medications, at_most=2)),
        allergies=draw(several(allergies, at_most=2)),
    )
