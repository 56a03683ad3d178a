"""Triage codes and clinical words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cad_bridge.web.board.presenters.parts import YES_NO
from cad_bridge.web.board.presenters.sheet import Item, Sheet, Value, coded, each, moment, plain, worded
from cad_bridge.web.board.presenters.words import arp_words


def priority(label: str, value: Any) -> Item:
    """An ARP category with what it means."""
    if not isinstance(value, str):
        return plain(label, value)
    return Item(label=label, values=(Value(text=value, note=arp_words(value)),))


def clinical_items(sheet: Sheet, triage: Sheet) -> tuple[Item, ...]:
    """Summary, what is asked, what is wrong (PRSB-25), in words, those of the triage among them."""
    return (
        *triage.item("Summary", "summary", needed=True),
        *triage.item("Narrative", "clinical_narrative"),
        *triage.item("Notes", "notes"),
        *sheet.item("Asked of the receiver", "requested_action", needed=True),
        *sheet.item("Resource requested", "resource_requested", requested),
        *sheet.item("To be done", "actions", each(requested)),
        *sheet.item("Next activity", "next_activity"),
        *sheet.item("Presenting complaint", "presenting_complaint", needed=True),
        *sheet.item("Presenting complaint, coded", "presenting_complaint_code", coded),
        *sheet.item("Chief concern", "chief_concern", needed=True),
        *sheet.item("Acuity", "acuity"),
        *triage.item("Patient's expectations", "patient_expectations", needed=True),
    )


def triage_items(triage: Sheet) -> tuple[Item, ...]:
    """The 999 triage; whatever else it holds comes last."""
    return (
        *triage.item("Priority (ARP)", "arp", priority, needed=True),
        *triage.item("Triage system", "system", _system, needed=True),
        *code_items(triage),
    )


def code_items(triage: Sheet) -> tuple[Item, ...]:
    """What a triage system said, in its codes, and all else that is left."""
    return (
        *triage.item("Triage system", "system", _system),
        *triage.item("NHS Pathways", "pathways", _pathways),
        *triage.item("AMPDS dispatch code", "ampds", coded),
        *triage.item("Other code", "other_codes", each(coded)),
        *triage.item("Pre-triage sieve", "pre_triage_sieve", _sieve),
        *triage.item("Nature of call", "nature_of_call", coded),
        *triage.rest(),
    )


def _system(label: str, value: Any) -> Item:
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    name, version = sheet.string("name"), sheet.string("version")
    said = (Value(text=name or "Not named", note=f"version {version}" if version else ""),) if name or version else ()
    return Item(label=label, values=said, items=sheet.rest())


def _pathways(label: str, value: Any) -> Item:
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    items = (
        *sheet.item("Symptom group (SG)", "sg", coded),
        *sheet.item("Symptom discriminator (SD)", "sd", coded),
        *sheet.item("Disposition (Dx)", "dx", coded),
        *sheet.item("Pathway", "template", coded),
        *sheet.rest(),
    )
    return Item(label=label, items=items)


def _sieve(label: str, value: Any) -> Item:
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    items = (
        *sheet.item("Breathing", "breathing", worded(YES_NO)),
        *sheet.item("Conscious", "conscious", worded(YES_NO)),
        *sheet.item("Noisy breathing", "noisy_breathing", worded(YES_NO)),
        *sheet.rest(),
    )
    return Item(label=label, items=items)


def requested(label: str, value: Any) -> Item:
    """A resource or action that is asked for: what, how many, from when and by when."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    items = (
        *sheet.item("What", "text"),
        *sheet.item("How many", "number"),
        *sheet.item("Code", "code", coded),
        *sheet.item("Not before", "not_before", moment),
        *sheet.item("By", "by", moment),
        *sheet.rest(),
    )
    return Item(label=label, items=items)
