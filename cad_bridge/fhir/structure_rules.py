"""FHIR R4 invariants of the types that BaRS uses, as far as a schema cannot say them.

Each is a row: its id in the FHIR specification, what it says in plain English, and when it holds. A row is applied to
any JSON object, whatever it holds, so that it must not trust types; the helpers here read what is missing or of the
wrong type as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cad_bridge.fhir.issues import Severity

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Invariant:
    """One invariant on an object; `element` is the child to point at, if there is one."""

    rule: str
    text: str
    holds: Callable[[Node], bool]
    element: str | None = None
    severity: Severity = Severity.ERROR


def objects(node: Node, key: str) -> list[Node]:
    """The objects in the list `key`; empty where it is something else."""
    value = node.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def codes(node: Node, key: str) -> set[str]:
    """The codes of the CodeableConcept `key`."""
    concept = node.get(key)
    if not isinstance(concept, dict):
        return set()
    return {coding["code"] for coding in objects(concept, "coding") if isinstance(coding.get("code"), str)}


def text(node: Node, key: str) -> str | None:
    """The text at `key`; None where it is something else."""
    value = node.get(key)
    return value if isinstance(value, str) else None


def has_any(node: Node, *keys: str) -> bool:
    """Whether one of the elements is there."""
    return any(key in node for key in keys)


def has_choice(node: Node, stem: str) -> bool:
    """Whether ``stem[x]`` is there in any type."""
    return any(key.startswith(stem) and key[len(stem) : len(stem) + 1].isupper() for key in node)


def at_most(earlier: object, later: object) -> bool:
    """Whether one FHIR time is not after the other; true where that cannot be told (precision, type, leap second)."""
    if not isinstance(earlier, str) or not isinstance(later, str):
        return True
    if "T" in earlier and "T" in later:
        try:
            return datetime.fromisoformat(earlier) <= datetime.fromisoformat(later)
        except (ValueError, TypeError):
            return True
    if "T" in earlier or "T" in later:
        return True
    shared = min(len(earlier), len(later))
    return earlier[:shared] <= later[:shared]


def _low_at_most_high(node: Node) -> bool:
    low, high = (bound.get("value") if isinstance(bound, dict) else None for bound in (node["low"], node.get("high")))
    return not (isinstance(low, int | float) and isinstance(high, int | float) and low > high)


def _unit_is_understood(node: Node) -> bool:
    is_quantity = type(node["value"]) in (int, float)
    return not is_quantity or "code" not in node or "system" in node


def _content_is_understood(node: Node) -> bool:
    """Only an Attachment has base64 data beside nothing else of its kind; SampledData has an origin."""
    return not isinstance(node["data"], str) or has_any(node, "contentType", "origin", "dimensions")


def _items(questionnaire: Node) -> Iterator[Node]:
    stack = objects(questionnaire, "item")
    while stack:
        item = stack.pop()
        yield item
        stack.extend(objects(item, "item"))


def _link_ids_differ(questionnaire: Node) -> bool:
    ids = [item["linkId"] for item in _items(questionnaire) if isinstance(item.get("linkId"), str)]
    return len(ids) == len(set(ids))


def _component_repeats_code(node: Node) -> bool:
    own = codes(node, "code")
    return any(codes(component, "code") & own for component in objects(node, "component"))


_DISPLAY_ONLY = ("code", "required", "repeats", "readOnly", "item")
_COUNTED = frozenset({"boolean", "decimal", "integer", "string", "text", "url", "open-choice"})
_WITH_OPTIONS = frozenset(
    {"choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string", "quantity"}
)
_ABATED = frozenset({"inactive", "resolved", "remission"})

RESOURCE_INVARIANTS: Mapping[str, tuple[Invariant, ...]] = {
    "ServiceRequest": (
        Invariant(
            "prr-1", "orderDetail may only be there with a code.", lambda n: "orderDetail" not in n or "code" in n
        ),
    ),
    "Organization": (
        Invariant(
            "org-1", "An Organization needs a name or an identifier.", lambda n: has_any(n, "name", "identifier")
        ),
        Invariant(
            "org-2",
            "An address of an Organization cannot be of use home.",
            lambda n: all(address.get("use") != "home" for address in objects(n, "address")),
            "address",
        ),
        Invariant(
            "org-3",
            "A contact of an Organization cannot be of use home.",
            lambda n: all(contact.get("use") != "home" for contact in objects(n, "telecom")),
            "telecom",
        ),
    ),
    "Observation": (
        Invariant(
            "obs-6",
            "dataAbsentReason may only be there without a value.",
            lambda n: "dataAbsentReason" not in n or not has_choice(n, "value"),
            "dataAbsentReason",
        ),
        Invariant(
            "obs-7",
            "The Observation has a value although one of its components has the same code.",
            lambda n: "component" not in n or not has_choice(n, "value") or not _component_repeats_code(n),
            "value",
        ),
    ),
    "Consent": (
        Invariant("ppc-1", "A Consent needs a policy or a policyRule.", lambda n: has_any(n, "policy", "policyRule")),
    ),
    "AllergyIntolerance": (
        Invariant(
            "ait-1",
            "clinicalStatus is needed unless verificationStatus is entered-in-error.",
            lambda n: "clinicalStatus" in n or "entered-in-error" in codes(n, "verificationStatus"),
        ),
        Invariant(
            "ait-2",
            "clinicalStatus may not be there when verificationStatus is entered-in-error.",
            lambda n: "clinicalStatus" not in n or "entered-in-error" not in codes(n, "verificationStatus"),
            "clinicalStatus",
        ),
    ),
    "Condition": (
        Invariant(
            "con-3",
            "A problem list item needs a clinicalStatus unless verificationStatus is entered-in-error.",
            lambda n: (
                has_any(n, "clinicalStatus")
                or "entered-in-error" in codes(n, "verificationStatus")
                or not any("problem-list-item" in codes({"c": c}, "c") for c in objects(n, "category"))
            ),
            severity=Severity.WARNING,
        ),
        Invariant(
            "con-4",
            "An abated condition must be inactive, resolved or in remission.",
            lambda n: not has_choice(n, "abatement") or bool(codes(n, "clinicalStatus") & _ABATED),
            "clinicalStatus",
        ),
        Invariant(
            "con-5",
            "clinicalStatus may not be there when verificationStatus is entered-in-error.",
            lambda n: "clinicalStatus" not in n or "entered-in-error" not in codes(n, "verificationStatus"),
            "clinicalStatus",
        ),
    ),
    "Questionnaire": (Invariant("que-2", "Two items have the same linkId.", _link_ids_differ, "item"),),
    "Task": (
        Invariant(
            "inv-1",
            "lastModified is before authoredOn.",
            lambda n: at_most(n.get("authoredOn"), n.get("lastModified")),
            "lastModified",
        ),
    ),
    "Appointment": (
        Invariant(
            "app-2", "start and end must both be there or both be missing.", lambda n: ("start" in n) == ("end" in n)
        ),
        Invariant(
            "app-3",
            "start and end may only be missing when it is proposed, cancelled or on the waiting list.",
            lambda n: has_any(n, "start", "end") or n.get("status") in ("proposed", "cancelled", "waitlist"),
        ),
        Invariant(
            "app-4",
            "cancelationReason is for a cancelled appointment or a no-show.",
            lambda n: "cancelationReason" not in n or n.get("status") in ("noshow", "cancelled"),
            "cancelationReason",
        ),
    ),
    "Group": (
        Invariant("grp-1", "Only an actual group has members.", lambda n: "member" not in n or n.get("actual") is True),
    ),
}
"""Invariants of whole resources, by resource type."""

_QUESTION = (
    Invariant("que-1", "A group needs items.", lambda n: n.get("type") != "group" or "item" in n, "item"),
    Invariant(
        "que-1",
        "A display item cannot have items, a code, or be required, repeated or read-only (que-1, que-3, que-6, que-9).",
        lambda n: n.get("type") != "display" or not has_any(n, *_DISPLAY_ONLY),
    ),
    Invariant(
        "que-4",
        "A question cannot have both answerOption and answerValueSet.",
        lambda n: not ("answerOption" in n and "answerValueSet" in n),
    ),
    Invariant(
        "que-5",
        "Only some types of question can have answer options.",
        lambda n: text(n, "type") in _WITH_OPTIONS or not has_any(n, "answerOption", "answerValueSet"),
    ),
    Invariant(
        "que-8",
        "A group or display item cannot have an initial value.",
        lambda n: n.get("type") not in ("group", "display") or "initial" not in n,
        "initial",
    ),
    Invariant(
        "que-10",
        "maxLength is only for simple questions.",
        lambda n: "maxLength" not in n or text(n, "type") in _COUNTED,
        "maxLength",
    ),
    Invariant(
        "que-11",
        "With answer options there is no initial value.",
        lambda n: not ("answerOption" in n and "initial" in n),
        "initial",
    ),
    Invariant(
        "que-12",
        "Several enableWhen need an enableBehavior.",
        lambda n: len(objects(n, "enableWhen")) <= 2 or "enableBehavior" in n,
        "enableBehavior",
    ),
    Invariant(
        "que-13",
        "Several initial values are only for an item that repeats.",
        lambda n: n.get("repeats") is True or len(objects(n, "initial")) <= 1,
        "initial",
    ),
)

_ENABLE_WHEN = (
    Invariant(
        "que-7",
        "With the operator exists the answer must be a boolean.",
        lambda n: n.get("operator") != "exists" or "answerBoolean" in n,
        "answer",
    ),
)

ELEMENT_INVARIANTS: Mapping[tuple[str, str], tuple[Invariant, ...]] = {
    ("Patient", "contact"): (
        Invariant(
            "pat-1",
            "A contact needs a name, telecom, address or organization.",
            lambda n: has_any(n, "name", "telecom", "address", "organization"),
        ),
    ),
    ("CarePlan", "activity"): (
        Invariant(
            "cpl-3",
            "An activity has a reference or a detail, not both.",
            lambda n: not ("reference" in n and "detail" in n),
        ),
    ),
    ("Observation", "referenceRange"): (
        Invariant(
            "obs-3", "A referenceRange needs a low, a high or a text.", lambda n: has_any(n, "low", "high", "text")
        ),
    ),
    ("Condition", "stage"): (
        Invariant("con-1", "A stage needs a summary or an assessment.", lambda n: has_any(n, "summary", "assessment")),
    ),
    ("Condition", "evidence"): (
        Invariant("con-2", "Evidence needs a code or a detail.", lambda n: has_any(n, "code", "detail")),
    ),
    ("Questionnaire", "item"): _QUESTION,
    ("Questionnaire", "enableWhen"): _ENABLE_WHEN,
    ("QuestionnaireResponse", "item"): (
        Invariant(
            "qrs-1", "Items cannot be under both an item and its answer.", lambda n: not ("answer" in n and "item" in n)
        ),
    ),
    ("Appointment", "participant"): (
        Invariant("app-1", "A participant needs a type or an actor.", lambda n: has_any(n, "type", "actor")),
    ),
}
"""Invariants of the objects in a list, by resource type and name of the list, wherever in the resource it is."""


def _positive(node: Node, key: str) -> bool:
    value = node.get(key)
    return not isinstance(value, int | float) or value >= 0


_TIMING = (
    Invariant("tim-1", "A duration needs its unit.", lambda n: "duration" not in n or "durationUnit" in n),
    Invariant("tim-2", "A period needs its unit.", lambda n: "period" not in n or "periodUnit" in n),
    Invariant("tim-4", "A duration cannot be negative.", lambda n: _positive(n, "duration"), "duration"),
    Invariant("tim-5", "A period cannot be negative.", lambda n: _positive(n, "period"), "period"),
    Invariant("tim-6", "periodMax needs a period.", lambda n: "periodMax" not in n or "period" in n),
    Invariant("tim-7", "durationMax needs a duration.", lambda n: "durationMax" not in n or "duration" in n),
    Invariant("tim-8", "countMax needs a count.", lambda n: "countMax" not in n or "count" in n),
    Invariant("tim-9", "An offset needs a when.", lambda n: "offset" not in n or "when" in n),
    Invariant("tim-10", "timeOfDay and when exclude each other.", lambda n: not ("timeOfDay" in n and "when" in n)),
)


def _with_system(key: str) -> Invariant:
    text = f"A coding of {key} has no system; the one of its required value set is assumed."
    return Invariant(
        "V18",
        text,
        lambda n: not isinstance(n[key], dict) or all("system" in coding for coding in objects(n[key], "coding")),
        key,
        Severity.WARNING,
    )


KEY_INVARIANTS: Mapping[str, tuple[Invariant, ...]] = {
    "end": (
        Invariant("per-1", "The end is before the start.", lambda n: at_most(n.get("start"), n.get("end")), "end"),
    ),
    "low": (Invariant("rng-2", "The low bound is above the high one.", _low_at_most_high, "low"),),
    "numerator": (Invariant("rat-1", "A ratio needs a denominator.", lambda n: "denominator" in n),),
    "denominator": (Invariant("rat-1", "A ratio needs a numerator.", lambda n: "numerator" in n),),
    "clinicalStatus": (_with_system("clinicalStatus"),),
    "verificationStatus": (_with_system("verificationStatus"),),
    "value": (Invariant("qty-3", "A quantity with a unit code needs its system.", _unit_is_understood, "system"),),
    "data": (
        Invariant("att-1", "An attachment with data needs a contentType.", _content_is_understood, "contentType"),
    ),
}
"""Invariants of the object that holds the key, whatever its type: the key stands in one data type only."""

CHILD_INVARIANTS: Mapping[str, tuple[Invariant, ...]] = {
    "telecom": (
        Invariant("cpt-2", "A contact point with a value needs a system.", lambda n: "value" not in n or "system" in n),
    ),
    "repeat": _TIMING,
}
"""Invariants of the object, or of each in the list, that the key holds, whatever the type of its holder."""


def _rules_by_key() -> Mapping[str, tuple[tuple[str | None, bool, Invariant], ...]]:
    rows: dict[str, tuple[tuple[str | None, bool, Invariant], ...]] = {}
    for key, invariants in KEY_INVARIANTS.items():
        rows[key] = rows.get(key, ()) + tuple((None, False, invariant) for invariant in invariants)
    for key, invariants in CHILD_INVARIANTS.items():
        rows[key] = rows.get(key, ()) + tuple((None, True, invariant) for invariant in invariants)
    for (resource_type, key), invariants in ELEMENT_INVARIANTS.items():
        rows[key] = rows.get(key, ()) + tuple((resource_type, True, invariant) for invariant in invariants)
    return rows


RULES_BY_KEY = _rules_by_key()
"""For each key: the resource type it matters in (or any), whether it is for what the key holds, and the invariant."""
