"""The small things that content is made of: names, numbers to call, addresses, organisations, people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cad_bridge.fhir import codes
from cad_bridge.web.board.presenters.languages import LANGUAGES
from cad_bridge.web.board.presenters.sheet import Item, Sheet, Value, coded, each, plain, worded

GENDERS = {"male": "Male", "female": "Female", "other": "Other", "unknown": "Unknown"}
BIRTH_SEXES = {"male": "Male", "female": "Female", "undifferentiated": "Undifferentiated", "unknown": "Unknown"}
TELECOM_SYSTEMS = {
    "phone": "phone",
    "fax": "fax",
    "email": "email",
    "pager": "pager",
    "url": "web address",
    "sms": "text message",
    "other": "other means",
}
USES = {
    "home": "home",
    "work": "work",
    "temp": "temporary",
    "old": "no longer in use",
    "mobile": "mobile",
    "billing": "billing",
}
RELATIONSHIPS = {
    "self": "The patient",
    "unknown": "Relationship not known",
    "emergency": "Emergency contact",
    "next of kin": "Next of kin",
}
"""Relationships that need other words than their own; every other one is shown as it was sent."""
CONTACT_METHODS = {
    "letter": "Letter",
    "visit": "Visit",
    "telephone": "Telephone",
    "e-mail": "Email",
    "textphone": "Textphone",
    "telephone-via-proxy": "Telephone through another person",
    "sign-language": "Sign language",
    "no-telephone": "No telephone",
    "sms": "Text message",
}
WRITTEN_FORMATS = {"large-print": "Large print", "braille": "Braille", "audio-tape": "Audio tape"}
YES_NO = {True: "Yes", False: "No"}
INTERPRETER = {True: "Interpreter needed", False: "No interpreter needed"}


def person_name(label: str, value: Any) -> Item:
    """A name as it is said, its parts below where the sender gave both and they differ."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    said = sheet.string("text")
    parts = {name: sheet.strings(name) for name in ("prefix", "given", "suffix")}
    family = sheet.string("family")
    joined = " ".join((*parts["prefix"], *parts["given"], *((family,) if family else ()), *parts["suffix"]))
    lines = [Value(text=said)] if said else []
    if joined and joined != said:
        lines.append(Value(text=joined, note="in parts" if said else ""))
    return Item(label=label, values=tuple(lines), items=sheet.rest())


def name_text(value: Any) -> str:
    """A name in one line, for a headline."""
    item = person_name("", value) if isinstance(value, Mapping) else Item(label="")
    return item.values[0].text if item.values else ""


def relationship(label: str, value: Any) -> Item:
    """Who somebody is to the patient."""
    return worded(RELATIONSHIPS)(label, value)


def telecom(label: str, value: Any) -> Item:
    """One way to reach someone, with its use and rank beside it."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    number, system, use = sheet.string("value"), sheet.string("system"), sheet.string("use")
    rank = sheet.number("rank")
    kind = " ".join(part for part in (USES.get(use, use), TELECOM_SYSTEMS.get(system, system)) if part)
    place = "not ranked" if rank is None else f"method {rank}"
    note = ", ".join(part for part in (kind, place) if part)
    if not number:
        lacking = Value(text="No number was sent", note=note, tone="warning")
        return Item(label=label, values=(lacking,), items=sheet.rest())
    href = f"tel:{_dialled(number)}" if system == "phone" and _dialled(number) else ""
    return Item(label=label, values=(Value(text=number, note=note, href=href),), items=sheet.rest())


def unranked_telecom(label: str, value: Any) -> Item:
    """A number outside the ranked contacts: its rank is said only where it has one."""
    shown = telecom(label, value)
    if isinstance(value, Mapping) and value.get("rank") is None:
        lines = (_without_rank(line) for line in shown.values)
        return Item(label=label, values=tuple(lines), items=shown.items)
    return shown


def _without_rank(line: Value) -> Value:
    note = line.note.removesuffix("not ranked").rstrip(", ")
    return Value(text=line.text, href=line.href, note=note, tone=line.tone)


def _dialled(number: str) -> str:
    """Only what a telephone dials; empty if anything else is in it, so that no link dials a wrong number."""
    compact = "".join(number.split())
    digits = compact.removeprefix("+")
    return compact if digits.isascii() and digits.isdigit() else ""


def address(label: str, value: Any) -> Item:
    """Every part of an address that was sent (APP-COM-14)."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    items = (
        *sheet.item("Whole address", "text"),
        *sheet.item("Lines", "lines"),
        *sheet.item("Town or city", "city"),
        *sheet.item("District", "district"),
        *sheet.item("Postcode", "postcode"),
        *sheet.item("Country", "country"),
        *sheet.item("Use", "use", worded(USES)),
        *sheet.rest(),
    )
    return Item(label=label, items=items)


def organisation(label: str, value: Any) -> Item:
    """An organisation with its ODS code."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    name, code = sheet.string("name"), sheet.string("ods_code")
    system = "ODS code" if code else "no ODS code was given"
    lines = (Value(text=name or code, code=code if name else "", system=system),) if name or code else ()
    return Item(label=label, values=lines, items=sheet.rest())


def identifier(label: str, value: Any) -> Item:
    """A number that some system gave, and which system."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    number, system = sheet.string("value"), sheet.string("system")
    if not number and not system:
        return Item(label=label, items=sheet.rest())
    said = Value(text=number or "No number was sent", note=f"given by {system}" if system else "")
    return Item(label=label, values=(said,), items=sheet.rest())


def communication(label: str, value: Any) -> Item:
    """How someone wants to be spoken and written to."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    code, display = sheet.string("language"), sheet.string("language_display")
    named = display or LANGUAGES.get(code, "")
    language = (coded("Language", {"code": code, "display": named}),) if code or display else ()
    items = (
        *language,
        *sheet.item("Interpreter", "interpreter_required", worded(INTERPRETER)),
        *sheet.item("Preferred way of contact", "preferred_contact_method", worded(CONTACT_METHODS)),
        *sheet.item("Preferred times", "preferred_contact_times"),
        *sheet.item("Preferred written format", "preferred_written_format", worded(WRITTEN_FORMATS)),
        *sheet.rest(),
    )
    return Item(label=label, items=items)


def practitioner(label: str, value: Any) -> Item:
    """Who did the work: name, role, organisation, how to reach them."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    # That somebody is no clinician is a default, and nothing that was said (H08).
    sheet = Sheet({name: said for name, said in value.items() if (name, said) != ("clinician", False)})
    clinician = sheet.item("Clinician", "clinician", worded(YES_NO))
    items = (
        *sheet.item("Name", "name", person_name),
        *sheet.item("Role", "role"),
        *sheet.item("Role code", "role_code", coded),
        *sheet.item("Specialty", "specialty", coded),
        *clinician,
        *sheet.item("Organisation", "organisation", organisation),
        *sheet.item("Contact", "telecom", each(unranked_telecom)),
        *sheet.item("SDS role profile", "sds_role_profile_id"),
        *sheet.item("Local identifier", "local_identifier", identifier),
        *sheet.rest(),
    )
    return Item(label=label, items=items)


VERIFIED = "number-present-and-verified"


def nhs_number(label: str, value: Any) -> Item:
    """The NHS number, three-three-four, marked unless it is verified (H07)."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    number, status = sheet.string("value"), sheet.string("verification")
    said = codes.NHS_NUMBER_VERIFICATION_DISPLAYS.get(status, status)
    if not number:
        lines: tuple[Value, ...] = ()
    elif status == VERIFIED:
        lines = (Value(text=_grouped(number), note="verified"),)
    else:
        why = said or "verification status not provided"
        lines = (Value(text=_grouped(number)), Value(text=f"NOT VERIFIED: {why}", tone="warning"))
    extra = (plain("Verification", said),) if said and not number else ()
    return Item(label=label, values=lines, items=(*extra, *sheet.rest()))


def _grouped(number: str) -> str:
    plain_digits = len(number) == 10 and number.isascii() and number.isdigit()
    return f"{number[:3]} {number[3:6]} {number[6:]}" if plain_digits else number
