"""Why a case went where it went, and where our own plot of a received incident lies (docs/discovery.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cad_bridge.web.board.presenters.sheet import Group, Item, Sheet, Value, each, plain, worded

HOW = {
    "automatic": "By the place alone",
    "named": "Named by the sender, and the place agrees",
    "confirmed": "Confirmed by a person, although the place leaves doubt",
    "manual": "Chosen by a person, against what the place says",
    "plotted": "Plotted again when it was received",
}
OUTCOMES = {
    "found": "Certain: inside the area, away from its border",
    "ambiguous": "NOT CERTAIN: close to the border of another area",
    "approximate": "NOT CERTAIN: just outside every area, this one is the nearest",
    "none": "In no area that is known here",
    "rejected": "Could not be placed",
}
_CERTAIN = "found"
_DISAGREE = "NOT CERTAIN: what was sent about the place does not agree"


def routing_group(view: Mapping[str, Any] | None) -> tuple[Group, ...]:
    """The discovery that is kept with a case; no group where there was none."""
    if not view:
        return ()
    title = "Whose area it is" if view.get("how") == "plotted" else "Why it went to this service"
    return (Group(key="routing", title=title, items=routing_items(view)),)


def routing_items(view: Mapping[str, Any]) -> tuple[Item, ...]:
    """All that a discovery says, the decision first."""
    sheet = Sheet(view)
    answer = sheet.sheet("answer")
    return (
        *sheet.item("Decided", "how", worded(HOW)),
        *sheet.item("Confirmed by", "confirmed_by"),
        *sheet.item("Because", "reason"),
        *_warned(sheet.item("In doubt", "doubts", each(_sentence))),
        *answer.item("Area of", "ast", _area),
        *_outcome(answer),
        *answer.item("To the next area", "border_m", _distance),
        *answer.item("Next areas", "neighbours", each(_neighbour)),
        *answer.item("Why", "reasons", each(_sentence)),
        *sheet.item("Could also take it", "alternatives", each(_neighbour)),
        *sheet.item("Places compared", "readings", each(_reading)),
        *sheet.item("UPRN", "uprn"),
        *sheet.item("ODS code", "ods_code"),
        *sheet.item("Service id", "service_id"),
        *answer.item("Boundaries", "boundary_version"),
        *answer.rest(),
        *sheet.rest(),
    )


def routing(label: str, value: Any) -> Item:
    """The same below one label, for the story of the case."""
    return Item(label=label, items=routing_items(value)) if isinstance(value, Mapping) else plain(label, value)


def _warned(items: tuple[Item, ...]) -> tuple[Item, ...]:
    return tuple(Item(label=item.label, values=item.values, items=item.items, tone="warning") for item in items)


def _outcome(answer: Sheet) -> tuple[Item, ...]:
    reasons = answer.look("reasons")
    said = [reason for reason in reasons if isinstance(reason, str)] if isinstance(reasons, list | tuple) else []
    disagree = any(reason.startswith("sources-disagree:") for reason in said)
    certain = answer.look("outcome") == _CERTAIN and not disagree
    found = answer.item("How certain", "outcome", worded(OUTCOMES | ({_CERTAIN: _DISAGREE} if disagree else {})))
    return found if certain else _warned(found)


def _sentence(label: str, value: Any) -> Item:
    """``code: sentence``, as discovery says its reasons."""
    code, colon, sentence = value.partition(": ") if isinstance(value, str) else ("", "", "")
    if not colon:
        return plain(label, value)
    return Item(label=label, values=(Value(text=sentence, code=code),))


def _area(label: str, value: Any) -> Item:
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    name, code = sheet.string("name"), sheet.string("ods_code")
    said = (Value(text=name or code, code=code if name else ""),) if name or code else ()
    return Item(label=label, values=said, items=(*sheet.item("Service id", "service_id"), *sheet.rest()))


def _distance(label: str, value: Any) -> Item:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return plain(label, value)
    return Item(label=label, values=(Value(text=f"{value / 1000:.1f} km" if value >= 1000 else f"{value:.0f} m"),))


def _neighbour(label: str, value: Any) -> Item:
    """Another service, how far its area is away, and its services that could take the case."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    name, code = sheet.string("name"), sheet.string("ods_code")
    away = sheet.item("Away", "distance_m", _distance)
    note = "".join(line.text for item in away for line in item.values)
    lines = (Value(text=name or code, code=code if name else "", note=note),) if name or code else ()
    return Item(label=label, values=lines, items=(*sheet.item("Service id", "service_ids"), *sheet.rest()))


def _reading(label: str, value: Any) -> Item:
    """One source's place in both coordinate systems."""
    if not isinstance(value, Mapping):
        return plain(label, value)
    sheet = Sheet(value)
    items = (
        *sheet.item("By", "source"),
        *sheet.item("Latitude", "latitude"),
        *sheet.item("Longitude", "longitude"),
        *sheet.item("Grid easting (m)", "easting"),
        *sheet.item("Grid northing (m)", "northing"),
        *sheet.item("Give or take (m)", "uncertainty_m"),
        *sheet.rest(),
    )
    return Item(label=label, items=items)
