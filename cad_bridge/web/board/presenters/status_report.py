"""What the receiver of a CAD-to-CAD referral last reported: how its case stands. It says nothing about our dispatch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cad_bridge.fhir import codes
from cad_bridge.web.board.presenters.content import read_content, sent_elements
from cad_bridge.web.board.presenters.outcome import Headline, Response, differences
from cad_bridge.web.board.presenters.parts import practitioner
from cad_bridge.web.board.presenters.safety import UNKNOWN
from cad_bridge.web.board.presenters.sheet import Group, Item, Sheet, Value, each, moment, plain, worded

STATUSES = {
    "planned": "waiting for a resource",
    "in-progress": "resource allocated",
    "finished": "resource cleared",
    "cancelled": "refused",
}
"""Encounter.status of a referral's receiver, in words."""

_HEADLINES = {
    "planned": Headline(
        text="WAITING FOR A RESOURCE", advice="They have the case. No resource is allocated yet.", tone="warning"
    ),
    "in-progress": Headline(text="RESOURCE ALLOCATED", advice="A resource of theirs is allocated.", tone="calm"),
    "finished": Headline(text="RESOURCE CLEARED", advice="Their resource has finished.", tone="calm"),
    "cancelled": Headline(text="REFUSED", advice="They cannot help. It is for us to act.", tone="danger"),
}
_NOT_KNOWN = Headline(
    text="STATUS NOT KNOWN", advice="The report does not say how the case stands there: phone and ask.", tone="danger"
)


def read_status_report(report: Mapping[str, Any], *, content: Mapping[str, Any], source: str) -> Response:
    """Everything in a status report or refusal; nothing in it is read as a decision about dispatch (HAZ-H03-04)."""
    sheet = Sheet(report)
    status = report.get("status")
    echoed = report.get("request")
    echo = sheet.take("request") if isinstance(echoed, Mapping) else {}
    elements, software = sent_elements(sheet)
    technical = (
        *software,
        *sheet.item("Encounter id", "encounter_id"),
        *sheet.item("Encounter fullUrl", "encounter_full_url"),
        *sheet.item("Resource as sent", "other_resources", each(plain)),
    )
    reading = read_content(echo, source=source) if echo else None
    return Response(
        source=source,
        headline=_HEADLINES.get(status, _NOT_KNOWN) if isinstance(status, str) else _NOT_KNOWN,
        new_cad_id="",
        alerts=(),
        compared=(),
        group=Group(key="response", title="All that the report says", items=_items(sheet)),
        also=Group(key="also", title="Also sent with the report", items=elements),
        # A report repeats a part of the request: what it leaves out is not thereby "not asked".
        echo=replace(reading, alerts=tuple(item for item in reading.alerts if item.tone != UNKNOWN))
        if reading
        else None,
        differences=differences(content, echo),
        technical=technical,
    )


def _items(sheet: Sheet) -> tuple[Item, ...]:
    return (
        *sheet.item("Status", "status", worded(STATUSES), needed=True),
        *sheet.item("Since", "since", moment),
        *sheet.item("Reason", "reason", reason),
        *sheet.item("Their case number", "case_number"),
        *sheet.item("Statuses so far", "history", each(past_status)),
        *sheet.item("Last changed there", "last_updated", moment),
        *sheet.item("Told by", "practitioner", practitioner),
        *sheet.rest(),
    )


def past_status(label: str, value: Any) -> Item:
    """A status that the receiver's case had, and since when: one line."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    status = sheet.item("Status", "status", worded(STATUSES))
    since = (*sheet.item("Since", "since", moment), *sheet.item("Since", "at", moment))
    rest = sheet.rest()
    if rest or len(status) != 1 or len(since) != 1 or status[0].items or since[0].items:
        return Item(label=label, items=(*status, *since, *rest))
    return Item(label=label, values=tuple(replace(line, note=status[0].values[0].text) for line in since[0].values))


_REASONS = dict(codes.REJECTED_REASON_DISPLAYS) | {
    "contradictory-final": "The response contradicts itself, or one that came before it"
}


def reason(label: str, value: Any) -> Item:
    """Why a case was given back, in words and in the other side's own words."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    code, text, display = sheet.string("code"), sheet.string("text"), sheet.string("display")
    words = _REASONS.get(code) or display or code
    said = display if display != words else ""
    lines = tuple(Value(text=line) for line in (words, said, text) if line)
    return Item(label=label, values=lines, items=sheet.rest())
