"""Whom to call, who called, and which number is the call-back number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cad_bridge.web.board.presenters.parts import (
    GENDERS,
    RELATIONSHIPS,
    communication,
    name_text,
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
