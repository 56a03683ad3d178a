"""FHIR R4 invariants of the types that BaRS uses, as far as a schema cannot say them.

Each is a row: its id in the FHIR specification, what it says in plain English, and when it holds. A row is applied to
any JSON object, whatever it holds, so that it must not trust types; the helpers here read what is missing or of the
wrong type as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cad_bridge.fhir.structure_narrative import has_text, is_plain_xhtml

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Invariant:
    """One invariant on an object; `element` is the child to point at, if there is one.

    What `is_told_only` is a warning: good practice by FHIR, or understood in spite of it.
    """

    rule: str
    text: str
    holds: Callable[[Node], bool]
    element: str | None = None
    is_told_only: bool = False


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
    low, high = (
        bound.get("value") if isinstance(bound, dict) else None for bound in (node.get("low"), node.get("high"))
    )
    return not (isinstance(low, int | float) and isinstance(high, int | float) and low > high)


def _positive(node: Node, key: str) -> bool:
    value = node.get(key)
    return not isinstance(value, int | float) or value >= 0


def _has_systems(node: Node, key: str) -> bool:
    concept = node.get(key)
    return not isinstance(concept, dict) or all("system" in coding for coding in objects(concept, "coding"))


def _with_system(key: str) -> Invariant:
    """A coding of a required binding without system is read as of the system of its value set."""
    text = f"A coding of {key} has no system; the one of its required value set is assumed."
    return Invariant("V18", text, lambda n: _has_systems(n, key), key, is_told_only=True)


def _component_repeats_code(node: Node) -> bool:
    own = codes(node, "code")
    return any(codes(component, "code") & own for component in objects(node, "component"))


_ABATED = frozenset({"inactive", "resolved", "remission"})

INVARIANTS: Mapping[str, tuple[Invariant, ...]] = {
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
        _with_system("clinicalStatus"),
        _with_system("verificationStatus"),
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
        _with_system("clinicalStatus"),
        _with_system("verificationStatus"),
        Invariant(
            "con-3",
            "A problem list item needs a clinicalStatus unless verificationStatus is entered-in-error.",
            lambda n: (
                has_any(n, "clinicalStatus")
                or "entered-in-error" in codes(n, "verificationStatus")
                or not any("problem-list-item" in codes({"c": c}, "c") for c in objects(n, "category"))
            ),
            is_told_only=True,
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
    "PatientContact": (
        Invariant(
            "pat-1",
            "A contact needs a name, telecom, address or organization.",
            lambda n: has_any(n, "name", "telecom", "address", "organization"),
        ),
    ),
    "CarePlanActivity": (
        Invariant(
            "cpl-3",
            "An activity has a reference or a detail, not both.",
            lambda n: not ("reference" in n and "detail" in n),
        ),
    ),
    "ObservationReferenceRange": (
        Invariant(
            "obs-3", "A referenceRange needs a low, a high or a text.", lambda n: has_any(n, "low", "high", "text")
        ),
    ),
    "ConditionStage": (
        Invariant("con-1", "A stage needs a summary or an assessment.", lambda n: has_any(n, "summary", "assessment")),
    ),
    "ConditionEvidence": (
        Invariant("con-2", "Evidence needs a code or a detail.", lambda n: has_any(n, "code", "detail")),
    ),
    "AppointmentParticipant": (
        Invariant("app-1", "A participant needs a type or an actor.", lambda n: has_any(n, "type", "actor")),
    ),
    "Attachment": (
        Invariant(
            "att-1",
            "An attachment with data needs a contentType.",
            lambda n: "data" not in n or "contentType" in n,
            "contentType",
        ),
    ),
    "ContactPoint": (
        Invariant("cpt-2", "A contact point with a value needs a system.", lambda n: "value" not in n or "system" in n),
    ),
    "Narrative": (
        Invariant(
            "txt-1",
            "A narrative is one div with nothing but the XHTML that FHIR allows.",
            lambda n: is_plain_xhtml(text(n, "div") or ""),
            "div",
        ),
        Invariant("txt-2", "A narrative must show something.", lambda n: has_text(text(n, "div") or ""), "div"),
    ),
    "Period": (
        Invariant("per-1", "The end is before the start.", lambda n: at_most(n.get("start"), n.get("end")), "end"),
    ),
    **dict.fromkeys(
        ("Quantity", "Age", "Count", "Distance", "Duration"),
        (
            Invariant(
                "qty-3",
                "A quantity with a unit code needs its system.",
                lambda n: "code" not in n or "system" in n,
                "system",
            ),
        ),
    ),
    "Range": (Invariant("rng-2", "The low bound is above the high one.", _low_at_most_high, "low"),),
    "Ratio": (
        Invariant(
            "rat-1",
            "A ratio needs both a numerator and a denominator.",
            lambda n: ("numerator" in n) == ("denominator" in n),
        ),
    ),
    "TimingRepeat": (
        Invariant("tim-1", "A duration needs its unit.", lambda n: "duration" not in n or "durationUnit" in n),
        Invariant("tim-2", "A period needs its unit.", lambda n: "period" not in n or "periodUnit" in n),
        Invariant("tim-4", "A duration cannot be negative.", lambda n: _positive(n, "duration"), "duration"),
        Invariant("tim-5", "A period cannot be negative.", lambda n: _positive(n, "period"), "period"),
        Invariant("tim-6", "periodMax needs a period.", lambda n: "periodMax" not in n or "period" in n),
        Invariant("tim-7", "durationMax needs a duration.", lambda n: "durationMax" not in n or "duration" in n),
        Invariant("tim-8", "countMax needs a count.", lambda n: "countMax" not in n or "count" in n),
        Invariant("tim-9", "An offset needs a when.", lambda n: "offset" not in n or "when" in n),
        Invariant("tim-10", "timeOfDay and when exclude each other.", lambda n: not ("timeOfDay" in n and "when" in n)),
    ),
}
"""Invariants by the type that they are about: a resource, a part of one (named as by fhir.resources) or a data type."""
