"""The clinical content of a request, grouped and labelled; every part of it is shown somewhere.

The order follows PRSB-25: summary, plan and actions, complaint, problem, then medication, individual requirements,
allergies and the rest. Safety stands above all of it (`safety`), and the most pertinent things at the very top
(`case_page.Pertinent`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cad_bridge.fhir import codes
from cad_bridge.web.board.presenters.parts import (
    BIRTH_SEXES,
    GENDERS,
    YES_NO,
    address,
    communication,
    identifier,
    nhs_number,
    organisation,
    person_name,
    practitioner,
    unranked_telecom,
)
from cad_bridge.web.board.presenters.people import caller_items, contact_items
from cad_bridge.web.board.presenters.place import place_items
from cad_bridge.web.board.presenters.safety import Alert, alerts
from cad_bridge.web.board.presenters.sheet import Group, Item, Sheet, Value, coded, each, moment, plain, worded
from cad_bridge.web.board.presenters.triage import clinical_items, triage_items

LOOK_ELSEWHERE = (
    "New, and reported by the patient or caller only. Look up existing records (SCR or shared record) elsewhere."
)
BREACH = {"a3t1": "Call back by"}
"""What the breach time of a request is, where it is not that of a validation."""
_WITH_BREACH = ("a3t1", "a4t1", "a4t2", "a4t3")
_RESIDENTIAL = {name: display for name, (_, display) in codes.RESIDENTIAL_STATUSES.items()}
AT_SENDER = {
    "in-progress": "The call is still on",
    "triaged": "The call has ended",
    "finished": "Closed there",
}
"""Encounter.status of the sender, in words (APP6-REF-07)."""
ALLERGY_CATEGORIES = {"food": "Food", "medication": "Medication", "environment": "Environment", "biologic": "Biologic"}
SEVERITIES = {"mild": "Mild", "moderate": "Moderate", "severe": "Severe"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One request, ready to be shown."""

    alerts: tuple[Alert, ...]
    groups: tuple[Group, ...]
    technical: Group


def read_content(content: Mapping[str, Any], *, source: str, age: str | None = None) -> Reading:
    """Everything in a request. `source` says whose words they are; `age` stands beside the date of birth."""
    sheet = Sheet(content)
    found = alerts(sheet, source=source)
    use_case = content.get("use_case")
    elements, software = sent_elements(sheet)
    technical = _technical(sheet, software)
    triage, patient = sheet.sheet("triage"), sheet.sheet("patient")
    needs = _needs(patient, found)
    groups = (
        Group(key="clinical", title="Clinical summary", items=clinical_items(sheet, triage)),
        Group(key="contacts", title="Who to call", items=contact_items(sheet)),
        Group(key="place", title="Where", items=place_items(sheet)),
        Group(key="patient", title="Patient", items=_patient(patient, age)),
        Group(key="triage", title="999 triage", items=triage_items(triage)),
        Group(key="medications", title="Medication", items=_medications(sheet), note=LOOK_ELSEWHERE),
        Group(key="needs", title="Individual requirements", items=needs),
        Group(key="allergies", title="Allergies", items=_allergies(sheet), note=LOOK_ELSEWHERE),
        Group(key="social", title="Social context", items=_social(sheet.sheet("social_context"))),
        Group(key="caller", title="Third-party caller", items=caller_items(sheet)),
        Group(key="times", title="Times", items=_times(sheet, use_case)),
        Group(key="services", title="Services and people", items=_services(sheet)),
        Group(key="log", title="Call log and notes", items=_log(sheet)),
        Group(
            key="also",
            title="Also sent",
            items=(*elements, *sheet.rest()),
            note="What has no other place on this page.",
        ),
    )
    return Reading(alerts=found, groups=tuple(group for group in groups if group.items), technical=technical)


def _needs(patient: Sheet, found: tuple[Alert, ...]) -> tuple[Item, ...]:
    """How to speak with the patient, and what to adjust; adjustments that were sent stand above with the flags."""
    adjustments = [alert for alert in found if alert.key == "RA"]
    told = Value(text=f"{len(adjustments)} sent: see above") if adjustments else None
    return (
        *patient.item("Communication", "communication", communication, needed=True),
        Item(label="Reasonable adjustments", values=(told,) if told else ()),
    )


def _patient(sheet: Sheet, age: str | None) -> tuple[Item, ...]:
    born = sheet.item("Date of birth", "birth_date", moment, needed=True)
    if age is not None and born[0].values:
        shown = born[0].values[0]
        born = (Item(label="Date of birth", values=(Value(text=shown.text, iso=shown.iso, note=age),)),)
    return (
        *sheet.item("Name", "name", person_name, needed=True),
        *sheet.item("NHS number", "nhs_number", nhs_number, needed=True),
        *born,
        *sheet.item("Estimated age in years", "estimated_age_years"),
        *sheet.item("Estimated age in months", "estimated_age_months"),
        *sheet.item("Estimated age in weeks", "estimated_age_weeks"),
        *sheet.item("Age group", "age_group"),
        *sheet.item("Gender", "gender", worded(GENDERS), needed=True),
        *sheet.item("Home address", "address", address, needed=True),
        *sheet.item("GP practice", "general_practice", organisation, needed=True),
        *sheet.item("Patient's own numbers", "telecom", each(unranked_telecom)),
        *sheet.item("Local identifier", "local_identifier", identifier),
        *sheet.item("Ethnicity", "ethnicity", coded),
        *sheet.item("Residence", "overseas_visitor_status", worded(_RESIDENTIAL)),
        # Only ever sent where it matters clinically, and kept apart from gender (APP-COM-36).
        *sheet.item("Sex assigned at birth (clinically relevant)", "birth_sex", worded(BIRTH_SEXES)),
        *sheet.rest(),
    )


def allergy(label: str, value: Any) -> Item:
    """One allergy."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    items = (
        *sheet.item("What", "text"),
        *sheet.item("Code", "code", coded),
        *sheet.item("Kind", "category", worded(ALLERGY_CATEGORIES)),
        *sheet.item("Reaction", "reaction"),
        *sheet.item("Severity", "severity", worded(SEVERITIES)),
        *sheet.item("Reported", "date", moment),
        *sheet.rest(),
    )
    return Item(label=label, items=items)


def medication(label: str, value: Any) -> Item:
    """One medication."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    items = (
        *sheet.item("What", "text"),
        *sheet.item("Code", "code", coded),
        *sheet.item("Dosage", "dosage"),
        *sheet.item("Reason", "reason"),
        *sheet.item("As of", "date", moment),
        *sheet.rest(),
    )
    return Item(label=label, items=items)


def _allergies(sheet: Sheet) -> tuple[Item, ...]:
    return sheet.item("New allergy", "allergies", each(allergy)) or (_not_stated("New allergies"),)


def _medications(sheet: Sheet) -> tuple[Item, ...]:
    return sheet.item("New medication", "medications", each(medication)) or (_not_stated("New medication"),)


def _not_stated(label: str) -> Item:
    """Not the same as "none": nobody said that there is none (CORE-REN-09)."""
    return Item(
        label=label, values=(Value(text="Not stated in this request: this does not mean none.", tone="missing"),)
    )


def _social(sheet: Sheet) -> tuple[Item, ...]:
    return (
        *sheet.item("Household", "household_composition", coded, needed=True),
        *sheet.item("Circumstances", "social_circumstances", needed=True),
        *sheet.item("Accommodation", "accommodation", needed=True),
        *sheet.rest(),
    )


def _times(sheet: Sheet, use_case: Any) -> tuple[Item, ...]:
    times = sheet.sheet("timings")
    breach = BREACH.get(use_case, "Validation breach") if isinstance(use_case, str) else "Validation breach"
    return (
        *times.item("Call reached BT", "bt_start", moment),
        *times.item("Call connected (T0)", "call_connect", moment),
        *times.item("Call answered (T1)", "call_answer", moment),
        *times.item("Location confirmed (T2)", "location_confirmed", moment),
        *sheet.item("Clock start (T5)", "clock_start", moment, needed=True),
        *times.item("999 disposition", "disposition", moment),
        *times.item("CPR started", "cpr_start", moment),
        *sheet.item(breach, "breach_at", moment, needed=use_case in _WITH_BREACH),
        *times.rest(),
    )


def _services(sheet: Sheet) -> tuple[Item, ...]:
    return (
        *sheet.item("Sending organisation", "sending_service", organisation),
        *sheet.item("Receiving organisation", "receiving_service", organisation),
        *sheet.item("Receiving service", "receiving_service_name"),
        *sheet.item("Sender's case number", "case_number"),
        *sheet.item("The case at the sender", "sender_encounter_status", worded(AT_SENDER)),
        *sheet.item("Made by", "practitioner", practitioner, needed=True),
        Item(label="Consent", items=_consent(sheet.sheet("consent"))),
        *sheet.item("Agrees that sex assigned at birth is told", "birth_sex_consent", worded(YES_NO)),
    )


def _consent(sheet: Sheet) -> tuple[Item, ...]:
    """The scope alone says nothing: it is there even where no consent was sent, and a default is not shown (H08)."""
    scope = sheet.item("Scope", "scope", worded({"direct-care": "Implied, for direct care"}))
    said = (*sheet.item("Given", "date", moment), *sheet.item("In words", "text"), *sheet.rest())
    return (*scope, *said) if said else ()


def _entry(label: str, value: Any) -> Item:
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    items = (
        *sheet.item("At", "at", moment),
        *sheet.item("Called", "topic"),
        *sheet.item("Note", "text"),
        *sheet.rest(),
    )
    return Item(label=label, items=items)


def _log(sheet: Sheet) -> tuple[Item, ...]:
    return (
        *sheet.item("Call log", "call_log", each(_entry)),
        *sheet.item("Crew note", "crew_notes", each(_entry)),
    )


def sent_element(label: str, value: Any) -> Item:
    """An element that no field holds: what it is called, what it says, and where in the message it stood."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    expression, said = sheet.string("expression"), sheet.string("value")
    rest = sheet.rest()
    values = moment("", said).values if said else ()
    return Item(label=_called(expression) or label, values=values, items=rest, note=expression)


def _called(expression: str) -> str:
    """``Bundle.entry[3].resource.bodySite[0].text`` says "body site text": names only, without places in lists."""
    names = [part.partition("[")[0] for part in expression.split(".")]
    last = [name for name in names if name not in {"Bundle", "entry", "resource", "extension", "coding", ""}][-2:]
    words = " ".join("".join(f" {c.lower()}" if c.isupper() else c for c in name).strip() for name in last)
    return words[:1].upper() + words[1:]


def sent_elements(sheet: Sheet) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Take the elements that no field holds: those for whoever reads the case, and those of the sender's software."""
    elements = sheet.take("also_sent")
    listed = elements if isinstance(elements, list | tuple) else () if elements is None else (elements,)
    shown = [sent_element("Element", element) for element in listed]
    technical = tuple(item for item in shown if _OF_SOFTWARE.search(item.note))
    return tuple(item for item in shown if not _OF_SOFTWARE.search(item.note)), technical


_OF_SOFTWARE = re.compile(r"\.source\.(name|software|version|endpoint)$")
"""MessageHeader.source: which program sent it. Nobody acts on that."""


def _technical(sheet: Sheet, software: tuple[Item, ...]) -> Group:
    items = (
        *sheet.item("Journey ID", "journey_id"),
        *sheet.item("Use case", "use_case"),
        *sheet.item("Sender's service id", "sender"),
        *sheet.item("Receiver's service id", "receiver"),
        *software,
        *sheet.item("Resource as sent", "other_resources", each(plain)),
    )
    return Group(key="technical", title="Technical identifiers and resources as sent", items=items)
