"""What everybody must see first: scene safety, safeguarding and the other flags (H09).

A code that is not known counts as unsafe. What was not asked is said to be so: nothing is made up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cad_bridge.fhir.content_flag_codes import FLAG_CODE_LISTS
from cad_bridge.web.board.presenters.place import doubts_of
from cad_bridge.web.board.presenters.sheet import Item, Sheet, Value, coded, is_empty, moment, plain

DANGER, WARNING, UNKNOWN, CALM = "danger", "warning", "unknown", "calm"
_TONES = (DANGER, WARNING, UNKNOWN, CALM)

CATEGORIES = {
    "SG": ("Safeguarding", DANGER),
    "IR": ("Infection risk", WARNING),
    "RT": ("ReSPECT plan", WARNING),
    "RA": ("Reasonable adjustment", WARNING),
    "RC": ("Repeat caller", WARNING),
    "RS": ("Rejected services", WARNING),
    "AC": ("Agency contacted", WARNING),
    "API": ("Additional patient information", WARNING),
}
"""Title and gravity of the flag categories of BaRS; scene safety (SS) has a field of its own."""

NO_FLAG = "No safeguarding flag was sent"
NO_SAFEGUARDING = "861931000000100"
"""Safeguarding code that says that no issue was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing that whoever acts on the case must know."""

    key: str
    """What it is about: ``scene`` or the flag category."""
    title: str
    tone: str
    advice: str = ""
    items: tuple[Item, ...] = ()
    source: str = ""
    superseded: bool = False


def scene_alert(value: Any) -> Alert:
    """Scene safety in words. Absent, or unknown without anything more said: not asked (APP-COM-31)."""
    sheet = Sheet({"status": "unknown"} | dict(value) if isinstance(value, Mapping) else value or {})
    status = "unknown" if is_empty(value) else sheet.string("status")
    items = (*sheet.item("Hazards", "reasons"), *sheet.item("As of", "date", moment), *sheet.rest())
    if status == "unsafe":
        return Alert(key="scene", title="Scene unsafe", tone=DANGER, items=items)
    if status == "safe":
        return Alert(key="scene", title="Scene safe", tone=CALM, items=items)
    if status == "unknown":
        title = "Scene safety not known" if items else "Scene safety not asked"
        return Alert(key="scene", title=title, tone=UNKNOWN, advice="Ask before anybody goes.", items=items)
    said = (plain("Code as sent", status),) if status else ()
    return Alert(
        key="scene",
        title="Scene unsafe",
        tone=DANGER,
        advice="Taken as unsafe: what was sent about the scene is not a code that is known here.",
        items=(*said, *items),
    )


def flag_alert(value: Any) -> Alert:
    """One flag: category, code, words and date, all of them."""
    sheet = Sheet(value)
    category, display = sheet.string("category"), sheet.string("category_display")
    code = _code_of(value)
    title, tone = CATEGORIES.get(category, (display or "Flag of an unknown kind", DANGER))
    unknown = code and category in FLAG_CODE_LISTS and code not in FLAG_CODE_LISTS[category][1]
    if category == "SG" and code == NO_SAFEGUARDING:
        title, tone = "Safeguarding: no issue found", CALM
    elif unknown:
        tone = DANGER
    system = sheet.string("code_system")
    items = (
        *sheet.item("What", "code", coded),
        *((plain("Code list", system),) if system else ()),
        *sheet.item("In words", "text"),
        *((plain("Category as sent", " ".join((category, display)).strip()),) if category not in CATEGORIES or display
          else ()),
        *sheet.item("Identified", "date", moment),
        *sheet.rest(),
    )  # fmt: skip
    advice = "This code is not in the published list: take it as a concern." if unknown else ""
    if category not in CATEGORIES:
        advice = "This kind of flag is not known here: take it as a danger until you know."
    return Alert(key=category or "?", title=title, tone=tone, advice=advice, items=items)


def _code_of(flag: Any) -> str:
    code = flag.get("code") if isinstance(flag, Mapping) else None
    said = code.get("code") if isinstance(code, Mapping) else code
    return said if isinstance(said, str) else ""


_SIEVE = (
    ("breathing", False, "Not breathing"),
    ("conscious", False, "Unconscious"),
    ("noisy_breathing", True, "Noisy breathing"),
)


def sieve_alerts(triage: Any) -> list[Alert]:
    """What the pre-triage sieve found: often all that is known of an arrest (APP6-QST-01)."""
    sieve = triage.get("pre_triage_sieve") if isinstance(triage, Mapping) else None
    said = [words for name, value, words in _SIEVE if isinstance(sieve, Mapping) and sieve.get(name) is value]
    if not said:
        return []
    return [Alert(key="sieve", title=", ".join([said[0], *(words.lower() for words in said[1:])]), tone=DANGER)]


def place_alerts(content: Mapping[str, Any], warnings: Iterable[Mapping[str, Any]]) -> list[Alert]:
    """That the incident may lie elsewhere than it seems (H04): `warnings` are what was found when it was plotted."""
    found = [warning for warning in warnings if warning.get("expression") in _PLACES]
    doubts = doubts_of(content)
    said = (*doubts, *(str(warning.get("diagnostics") or "") for warning in found))
    if not said:
        return []
    minor = not doubts and all(warning.get("rule") == _MINOR for warning in found)
    item = Item(label="What is doubtful", values=tuple(Value(text=text) for text in dict.fromkeys(said)))
    advice = "Confirm with the sender where it is. Nothing was corrected."
    return [
        Alert(key="place", title="Location in doubt", tone=WARNING if minor else DANGER, advice=advice, items=(item,))
    ]


_PLACES = frozenset({"Bundle.entry.resource.ofType(Location)", "incident_location"})
_MINOR = "HAZ-H04-03"
"""Rule of what is wrong with one source by itself, while the others locate the incident."""


def alerts(sheet: Sheet, *, source: str) -> tuple[Alert, ...]:
    """Take scene safety and flags of a request, gravest first."""
    scene = scene_alert(sheet.take("scene_safety"))
    flags = [flag_alert(flag) for flag in _entries(sheet.take("flags"))]
    found = [*sieve_alerts(sheet.look("triage")), scene, *flags]
    if not any(alert.key == "SG" for alert in flags):
        found.append(Alert(key="SG", title=NO_FLAG, tone=UNKNOWN))
    return gravest_first([replace(alert, source=source) for alert in found])


def updated_alerts(sheet: Sheet, *, source: str) -> tuple[Alert, ...]:
    """Take what a response says anew; None there means that the request's stands (APP4-VS-26, APP4-VS-28)."""
    scene, flags = sheet.take("scene_safety"), sheet.take("flags")
    found = [] if scene is None else [scene_alert(scene)]
    if flags is not None:
        found += [flag_alert(flag) for flag in _entries(flags)]
        if not _entries(flags):
            found.append(Alert(key="flags", title="No flag holds any more", tone=UNKNOWN))
    return gravest_first([replace(alert, source=source) for alert in found])


def merged(first: tuple[Alert, ...], later: tuple[Alert, ...]) -> tuple[Alert, ...]:
    """The later ones hold; what they replace and differs stays in view, marked as superseded (HAZ-H08-03)."""
    told = {alert.key for alert in later}
    flags_told = bool(told - {"scene"})
    kept: list[Alert] = []
    replaced: list[Alert] = []
    for alert in first:
        if alert.key == "scene" or is_flag(alert):
            gone = "scene" in told if alert.key == "scene" else flags_told
            (replaced if gone else kept).append(alert)
        elif alert.title != NO_FLAG or "SG" not in told:
            kept.append(alert)
    differing = [replace(alert, superseded=True) for alert in replaced if not is_said_in(alert, later)]
    holding = [alert for alert in later if alert.key != "flags" or any(map(is_flag, replaced))]
    return (*gravest_first([*holding, *kept]), *differing)


def is_flag(alert: Alert) -> bool:
    """Whether it is a flag that was sent."""
    return alert.key not in {"scene", "flags", "sieve", "place"} and bool(alert.items)


def is_said_in(alert: Alert, others: Iterable[Alert]) -> bool:
    """Whether one of the others says the same."""
    return any((alert.key, alert.title, alert.items) == (other.key, other.title, other.items) for other in others)


def gravest_first(found: Iterable[Alert]) -> tuple[Alert, ...]:
    """Dangers first; then scene and safeguarding, always in the same place; then the rest, the gravest first."""

    def place(alert: Alert) -> tuple[bool, int, int]:
        return alert.tone != DANGER, _ORDER.get(alert.key, len(_ORDER)), _TONES.index(alert.tone)

    return tuple(sorted(found, key=place))


_ORDER = {"sieve": 0, "scene": 1, "SG": 2, "place": 3}


def _entries(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    return [] if value is None else [value]


@dataclass(frozen=True, slots=True)
class Tag:
    """A short mark in a row of the board."""

    text: str
    tone: str


def tags(
    content: Mapping[str, Any], outcome: Mapping[str, Any] | None, warnings: Iterable[Mapping[str, Any]] = ()
) -> tuple[Tag, ...]:
    """The marks of a case in a list: every kind of alert that now holds, once."""
    held = merged(alerts(Sheet(content), source=""), updated_alerts(Sheet(outcome or {}), source=""))
    found = gravest_first([*(alert for alert in held if not alert.superseded), *place_alerts(content, warnings)])
    marks = (Tag(alert.title, alert.tone) for alert in found if alert.tone != CALM)
    return tuple(dict.fromkeys(mark for mark in marks if mark.text != NO_FLAG))
