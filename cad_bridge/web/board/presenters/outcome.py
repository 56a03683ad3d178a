"""What came back: the headline in words, triage then and now side by side, and everything the response said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cad_bridge.web.board.presenters.content import Reading, allergy, medication, read_content, sent_elements
from cad_bridge.web.board.presenters.moments import at, moment_of
from cad_bridge.web.board.presenters.parts import practitioner
from cad_bridge.web.board.presenters.place import place_items, place_line
from cad_bridge.web.board.presenters.safety import Alert, updated_alerts
from cad_bridge.web.board.presenters.sheet import (
    Group,
    Item,
    Sheet,
    Value,
    coded,
    each,
    is_empty,
    moment,
    plain,
    worded,
)
from cad_bridge.web.board.presenters.triage import code_items, priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """Whether an ambulance has to go, so that nobody has to read free text to know (HAZ-H03-04)."""

    text: str
    advice: str
    tone: str


def headline(outcome: Mapping[str, Any]) -> Headline:
    """What a response means for dispatch. One that does not say, or contradicts itself, needs an ambulance."""
    required = outcome.get("dispatch_required")
    if outcome.get("contradictory"):
        return Headline(
            text="DISPATCH REQUIRED",
            advice="The response contradicts itself (status and priority disagree): dispatch until it is settled.",
            tone="danger",
        )
    if required is False:
        return Headline(text="NO DISPATCH", advice="The response says that no ambulance is needed.", tone="calm")
    if required is True:
        return Headline(
            text="DISPATCH REQUIRED", advice="The response says that an ambulance is needed.", tone="danger"
        )
    return Headline(
        text="DISPATCH REQUIRED",
        advice="The response does not say whether an ambulance is needed: dispatch until it is settled.",
        tone="danger",
    )


def new_cad_id(outcome: Mapping[str, Any] | None) -> str:
    """The id of the new CAD case, if the response names one."""
    said = (outcome or {}).get("new_cad_id")
    return said if isinstance(said, str) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThenNow:
    """One row of the comparison."""

    label: str
    then: Item
    now: Item

    @property
    def differs(self) -> bool:
        """Whether the response changed it; what it leaves out it does not change."""
        return not self.now.missing and (self.then.values, self.then.items) != (self.now.values, self.now.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A final response, ready to be shown."""

    source: str
    headline: Headline
    new_cad_id: str
    """Case of the ambulance that was asked for elsewhere: this case is its duplicate (APP4-VS-22)."""
    alerts: tuple[Alert, ...]
    compared: tuple[ThenNow, ...]
    group: Group
    also: Group
    echo: Reading | None
    """The case as the responder sent it back."""
    differences: tuple[str, ...]
    """In what that differs from our own record (HAZ-H08-04)."""
    technical: tuple[Item, ...]


def read_response(outcome: Mapping[str, Any], *, content: Mapping[str, Any], source: str) -> Response:
    """Everything in a final response."""
    sheet = Sheet(outcome)
    said = headline(outcome)
    found = updated_alerts(sheet, source=source)
    compared = compare(content, outcome)
    request = outcome.get("request")
    echo = sheet.take("request") if isinstance(request, Mapping) else {}
    elements, software = sent_elements(sheet)
    technical = (*software, *sheet.item("Resource as sent", "other_resources", each(plain)))
    return Response(
        source=source,
        headline=said,
        new_cad_id=new_cad_id(outcome),
        alerts=found,
        compared=compared,
        group=Group(key="response", title="All that the response says", items=_items(sheet)),
        also=Group(key="also", title="Also sent with the response", items=elements),
        echo=read_content(echo, source=source) if echo else None,
        differences=differences(content, echo),
        technical=technical,
    )


def _items(sheet: Sheet) -> tuple[Item, ...]:
    triage = sheet.sheet("triage")
    return (
        *sheet.item("Ambulance", "dispatch_required", worded({True: "Needed", False: "Not needed"})),
        *_if_true(sheet.take("contradictory"), "Contradicts itself"),
        *sheet.item("Summary", "summary", needed=True),
        *sheet.item("Narrative", "clinical_narrative"),
        *sheet.item("Notes", "notes"),
        *sheet.item("Outcome", "outcome_codes", each(coded)),
        *sheet.item("Onward referral", "onward_referral"),
        *sheet.item("New CAD case", "new_cad_id"),
        *sheet.item("Priority (ARP)", "arp", priority, needed=True),
        *code_items(triage),
        *sheet.item("Clock start (T5)", "clock_start", moment, needed=True),
        *sheet.item("Disposition reached", "disposition_at", moment),
        *sheet.item("Medication given or prescribed", "medications", each(medication)),
        *sheet.item("New allergy", "allergies", each(allergy)),
        *place_items(sheet, needed=False),
        *sheet.item("Done by", "practitioner", practitioner),
        *sheet.rest(),
    )


def _if_true(value: Any, label: str) -> tuple[Item, ...]:
    """False is what the reader of messages found, and nothing that anybody said."""
    return () if value is False or value is None else (worded({True: "Yes"})(label, value),)


def compare(content: Mapping[str, Any], outcome: Mapping[str, Any]) -> tuple[ThenNow, ...]:
    """Triage then and now, the rows that either of them has."""
    before, after = _object(content.get("triage")), _object(outcome.get("triage"))
    then, now = _object(before.get("pathways")), _object(after.get("pathways"))
    rows = (
        ("Priority (ARP)", priority, before.get("arp"), outcome.get("arp")),
        ("Clock start (T5)", moment, content.get("clock_start"), outcome.get("clock_start")),
        ("Summary", plain, before.get("summary"), outcome.get("summary")),
        ("Symptom group (SG)", coded, then.get("sg"), now.get("sg")),
        ("Symptom discriminator (SD)", coded, then.get("sd"), now.get("sd")),
        ("Disposition (Dx)", coded, then.get("dx"), now.get("dx")),
        ("AMPDS dispatch code", coded, before.get("ampds"), after.get("ampds")),
        ("Incident location", plain, place_line(content), place_line(outcome)),
    )
    return tuple(
        ThenNow(label=label, then=_one(show, label, old), now=_one(show, label, new))
        for label, show, old, new in rows
        if not (is_empty(old) and is_empty(new))
    )


def _one(show: Any, label: str, value: Any) -> Item:
    return Item(label=label) if is_empty(value) else show(label, value)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


_COMPARED = {
    "patient": "patient",
    "contacts": "who to call",
    "incident_location": "incident location",
    "scene_safety": "scene safety",
    "flags": "flags",
    "caller": "caller",
    "presenting_complaint": "presenting complaint",
    "chief_concern": "chief concern",
    "allergies": "allergies",
    "medications": "medication",
    "breach_at": "breach time",
}


def differences(own: Mapping[str, Any], echoed: Mapping[str, Any]) -> tuple[str, ...]:
    """What both records hold and say differently; neither is changed by the other."""
    return tuple(
        name
        for field, name in _COMPARED.items()
        if _is_told(own, field) and _is_told(echoed, field) and own[field] != echoed[field]
    )


_NOT_ASKED: Mapping[str, Any] = {"status": "unknown", "reasons": []}


def _is_told(record: Mapping[str, Any], field: str) -> bool:
    """Whether a record says anything there: scene safety reads as unknown also where a message leaves it out."""
    value = record.get(field)
    return not is_empty(value) and not (field == "scene_safety" and value == _NOT_ASKED)


def settled_clock_start(outcome: Mapping[str, Any], counted: datetime | None) -> Item | None:
    """The clock start that counts here, where it is not the one that the response gave (APP4-VS-20)."""
    said = moment_of(outcome.get("clock_start"))
    if counted is None or said is None or said == counted:
        return None
    shown = at(counted)
    return Item(
        label="Clock start that counts here",
        values=(Value(text=shown.text, iso=shown.iso, note="the response said otherwise"),),
        tone="warning",
    )
