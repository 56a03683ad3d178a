"""Whom to call, who called, and which number is the call-back number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cad_bridge.web.board.presenters.moments import dated
from cad_bridge.web.board.presenters.parts import (
    GENDERS,
    RELATIONSHIPS,
    communication,
    name_text,
    nhs_number,
    person_name,
    relationship,
    telecom,
    unranked_telecom,
)
from cad_bridge.web.board.presenters.sheet import Item, Sheet, Value, each, plain, worded


def contact_items(sheet: Sheet) -> tuple[Item, ...]:
    """Everyone to call, in order of rank: rank, person and numbers together (CORE-REN-07)."""
    contacts = sheet.take("contacts")
    if not isinstance(contacts, list | tuple) or not contacts:
        return (plain("Contacts", contacts),) if contacts else (Item(label="Contacts"),)
    return tuple(_contact(contact) for contact in sorted(contacts, key=_rank))


def _rank(value: Any) -> float:
    rank = value.get("rank") if isinstance(value, Mapping) else None
    return rank if isinstance(rank, int | float) else float("inf")


def _contact(value: Any) -> Item:
    sheet = Sheet(value)
    rank = sheet.number("rank")
    label = "Contact, not ranked" if rank is None else f"Contact {rank}"
    numbers = sheet.take("telecom")
    ranked = sorted(numbers, key=_rank) if isinstance(numbers, list | tuple) else numbers
    items = (
        *sheet.item("Who", "relationship", relationship, needed=True),
        *sheet.item("Name", "name", person_name),
        *sheet.item("Gender", "gender", worded(GENDERS)),
        *((each(telecom)("Reach by", ranked),) if ranked else (Item(label="Reach by"),)),
        *sheet.rest(),
    )
    return Item(label=label, items=items)


def caller_items(sheet: Sheet) -> tuple[Item, ...]:
    """Who rang for the patient."""
    if not sheet.has("caller"):
        return (Item(label="Caller"),)
    caller = sheet.sheet("caller")
    return (
        *caller.item("Relationship", "relationship", relationship, needed=True),
        *caller.item("Name", "name", person_name, needed=True),
        *caller.item("Reach by", "telecom", each(unranked_telecom), needed=True),
        *caller.item("Gender", "gender", worded(GENDERS)),
        *caller.item("Communication", "communication", communication),
        *caller.rest(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBack:
    """One number that is ranked first, and whose it is."""

    number: Value
    who: str
    rank: str


def call_backs(content: Mapping[str, Any]) -> tuple[CallBack, ...]:
    """The rank 1 method of the rank 1 contact (APP-COM-07): one, if the sender kept the rules; never a guess."""
    found = []
    for contact in _ranked_first(content.get("contacts")):
        for number in _ranked_first(contact.get("telecom")):
            shown = telecom("", number).values
            if shown and number.get("value"):
                found.append(CallBack(number=shown[0], who=_who(contact), rank="contact 1"))
    return tuple(found)


def _ranked_first(values: Any) -> list[Mapping[str, Any]]:
    if not isinstance(values, list | tuple):
        return []
    return [value for value in values if isinstance(value, Mapping) and value.get("rank") == 1]


def _who(contact: Mapping[str, Any]) -> str:
    relation = contact.get("relationship")
    said = RELATIONSHIPS.get(relation, relation) if isinstance(relation, str) else ""
    return ", ".join(part for part in (name_text(contact.get("name")), said) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """Who the patient is, in one glance: so that nobody acts on another person's case (H07)."""

    name: str
    about: str
    """Age, date of birth and gender, as far as they are known."""
    number: Item | None
    """The NHS number, marked unless it is verified."""


def banner(content: Mapping[str, Any], *, age: str | None) -> Banner:
    """The patient of a request; `age` as of now, where it can be told."""
    patient = content.get("patient")
    sheet = Sheet(patient if isinstance(patient, Mapping) else {})
    estimated, gender = sheet.look("estimated_age_years"), sheet.look("gender")
    old = age or (f"about {estimated} years" if isinstance(estimated, int) else "")
    born = sheet.look("birth_date")
    date = dated(born) if isinstance(born, str) else None
    said = GENDERS.get(gender, gender) if isinstance(gender, str) else ""
    number = sheet.look("nhs_number")
    return Banner(
        name=name_text(sheet.look("name")),
        about=", ".join(part for part in (old, f"born {date.text}" if date else "", said) if part),
        number=nhs_number("NHS number", number) if isinstance(number, Mapping) and number else None,
    )
