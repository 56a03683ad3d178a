"""Flags, scene safety, consent, allergies, medications, practitioner and observations of a received message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cad_bridge.fhir import codes
from cad_bridge.fhir.content_clinical import Allergy, Consent, Flag, Medication, Practitioner, SceneSafety
from cad_bridge.fhir.content_flag_codes import FLAG_CODE_LISTS
from cad_bridge.fhir.content_types import LocalIdentifier, Organisation
from cad_bridge.fhir.read_elements import (
    code_of,
    coding_of,
    codings_of,
    date_or_moment_of,
    name_of,
    same_system,
    system_of,
    telecoms_of,
    text_and_code,
    words_of,
)
from cad_bridge.fhir.read_nodes import Node

_SCENE_SAFETY = {code: status for status, (code, _) in codes.SCENE_SAFETY_CODES.items()}
_GRAVITY = ("safe", "unknown", "unsafe")


def is_scene_safety(flag: Node) -> bool:
    """Whether a Flag is about scene safety, by its category or by the list its code comes from."""
    categories = [coding for concept in flag.items("category") for coding in codings_of(concept)]
    listed = codings_of(flag.child("code"))
    return any(
        coding.child("code").word == "SS" and _is(coding, codes.FLAG_CATEGORIES) for coding in categories
    ) or any(_is(coding, codes.SCENE_SAFETY) for coding in listed)


def read_flags(flag: Node) -> tuple[Flag, ...]:
    """What a Flag says: one content flag per coding, so that none hides behind another. Unknown ones are kept."""
    category, display = _category(flag)
    concept = flag.child("code")
    fields = {
        "category": category,
        "category_display": display,
        "text": concept.child("text").text(),
        "date": date_or_moment_of(flag.child("period").child("start")),
    }
    flag.expect("status", "active")
    coded = [_flag_code(coding, category) for coding in codings_of(concept)] or [{}]
    found = [flag.make(Flag, **fields, **one) for one in coded]
    return tuple(dict.fromkeys(one for one in found if one))


def read_scene_safety(flags: Iterable[Node]) -> SceneSafety:
    """Scene safety; the gravest of several flags, with all their texts.

    A code outside the list is unsafe (X-45, defects V11). No code is unknown, with the text (V1).
    """
    found = [_scene_safety(flag) for flag in flags]
    if not found:
        return SceneSafety()
    gravest = max(found, key=lambda one: _GRAVITY.index(one.status))
    reasons = tuple(dict.fromkeys(reason for one in found for reason in one.reasons))
    return SceneSafety(status=gravest.status, reasons=reasons, date=gravest.date)


def read_consent(node: Node) -> Consent:
    """Consent; an issue if it is not the implied consent for direct care that BaRS knows."""
    if not node.exists:
        return Consent()
    for concept, code in ((node.child("scope"), "patient-privacy"), (node.first("category"), "DRC")):
        for coding in codings_of(concept):
            if coding.child("code").word == code:
                coding.done()
    policy = codings_of(node.child("policyRule"))
    implied = any(coding.child("code").word == "IMPLIED" for coding in policy)
    if implied:
        for coding in policy:
            coding.done()
    node.expect("status", "active")
    if not implied or node.child("status").word != "active":
        node.ledger.warn(
            node.path, "value", "The consent is not an active, implied consent for direct care.", "APP-COM-39"
        )
    date = date_or_moment_of(node.child("dateTime"))
    return Consent(date=date, text=node.child("policyRule").child("text").text())


def read_allergy(node: Node) -> Allergy | None:
    """A new allergy."""
    text, code = text_and_code(node.child("code"))
    reaction = node.first("reaction")
    words = words_of(reaction.first("manifestation"))
    if text is None and code is None:
        return None
    for status in ("clinicalStatus", "verificationStatus"):
        for coding in codings_of(node.child(status)):
            if coding.child("code").word in {"active", "unconfirmed"}:
                coding.done()
    return node.make(
        Allergy,
        text=text,
        code=code,
        category=node.first("category").choice("food", "medication", "environment", "biologic"),
        reaction=words,
        severity=reaction.child("severity").choice("mild", "moderate", "severe") if words else None,
        date=date_or_moment_of(node.child("recordedDate")),
    )


def read_medication(node: Node) -> Medication | None:
    """A new medication."""
    text, code = text_and_code(node.child("medicationCodeableConcept"))
    if text is None and code is None:
        return None
    node.expect("status", "active")
    return node.make(
        Medication,
        text=text,
        code=code,
        dosage=node.first("dosage").child("text").text(),
        reason=words_of(node.first("reasonCode")),
        date=date_or_moment_of(node.child("effectiveDateTime")),
    )


def read_practitioner(
    node: Node, role: Node, *, organisation: Organisation | None, clinician: bool
) -> Practitioner | None:
    """Practitioner and PractitionerRole as one."""
    if not node.exists and not role.exists:
        return None
    profile, local = _practitioner_identifiers(node)
    words, role_code = text_and_code(role.first("code"))
    specialties = codings_of(role.first("specialty"))
    return Practitioner(
        sds_role_profile_id=profile,
        local_identifier=local,
        name=name_of(node.first("name")),
        role=words,
        role_code=role_code,
        specialty=coding_of(specialties[0]) if specialties else None,
        clinician=clinician,
        organisation=organisation,
        telecom=telecoms_of(node),
    )


def _is(coding: Node, system: str) -> bool:
    return same_system(system_of(coding), system)


def _category(flag: Node) -> tuple[str | None, str | None]:
    concept = flag.first("category")
    codings = codings_of(concept)
    listed = [coding for coding in codings if _is(coding, codes.FLAG_CATEGORIES)] or codings
    code = listed[0].child("code").token() if listed else None
    display = listed[0].child("display").text() if listed else None
    if code in codes.FLAG_CATEGORY_DISPLAYS:
        return code, None
    flag.ledger.warn(
        f"{flag.path}.category", "code-invalid", "The flag has no category of the BaRS list.", "APP-COM-32"
    )
    return code, display or concept.child("text").text()


def _flag_code(coding: Node, category: str | None) -> dict[str, Any]:
    """Code and system; nothing where the code only repeats the category."""
    code = code_of(coding)
    if code is None:
        return {}
    system = system_of(coding)
    if same_system(system, codes.FLAG_CATEGORIES) and code.code == category:
        return {}
    own_list, listed = FLAG_CODE_LISTS.get(category or "", ("", {}))
    of_own_list = same_system(system, own_list)
    if of_own_list and listed and code.code not in listed:
        said = "The code of the flag is not of the published list: it is taken as a concern."
        coding.ledger.warn(f"{coding.path}.code", "code-invalid", said, "APP-COM-32")
    return {"code": code, "code_system": None if of_own_list else system or None}


def _scene_safety(flag: Node) -> SceneSafety:
    concept = flag.child("code")
    text = concept.child("text").text()
    lines = tuple(line for line in (text or "").splitlines() if line.strip())
    codings = [coding for coding in codings_of(concept) if coding.child("code").exists]
    known = [_SCENE_SAFETY.get(str(coding.child("code").word)) for coding in codings]
    shown = tuple(
        words
        for coding, status in zip(codings, known, strict=True)
        if status is None and (words := coding.child("display").text() or coding.child("code").text())
    )
    _mark_scene_safety(flag, codings)
    _check_scene_safety(flag, codings, known)
    status = "unknown" if not codings else max((one or "unsafe" for one in known), key=_GRAVITY.index)
    date = date_or_moment_of(flag.child("period").child("start"))
    return SceneSafety.model_validate({"status": status, "reasons": (*shown, *lines), "date": date})


def _mark_scene_safety(flag: Node, codings: list[Node]) -> None:
    flag.expect("status", "active")
    for coding in (*codings, *codings_of(flag.first("category"))):
        coding.done()


def _check_scene_safety(flag: Node, codings: list[Node], known: list[str | None]) -> None:
    if not codings:
        flag.ledger.warn(f"{flag.path}.code", "required", "Scene safety without a code is taken as unknown.", "V1")
    if None in known:
        flag.ledger.warn(f"{flag.path}.code", "code-invalid", "An unknown scene safety code is taken as unsafe.", "V11")


def _practitioner_identifiers(node: Node) -> tuple[str | None, LocalIdentifier | None]:
    profile: str | None = None
    local: LocalIdentifier | None = None
    for identifier in node.items("identifier"):
        if _is(identifier, codes.SDS_ROLE_PROFILE) and profile is None:
            profile = identifier.child("value").token()
        elif local is None and isinstance(identifier.child("value").value, str):
            value = identifier.child("value").token()
            local = (
                identifier.make(LocalIdentifier, value=value, system=system_of(identifier) or None) if value else None
            )
    return profile, local
