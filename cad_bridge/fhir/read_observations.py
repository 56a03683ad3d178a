"""Items that travel as Observations, each as the field that it fills."""

from __future__ import annotations

from typing import Any

from cad_bridge.fhir import codes
from cad_bridge.fhir.content_types import Coding
from cad_bridge.fhir.read_elements import (
    code_of,
    codings_of,
    date_or_moment_of,
    same_system,
    system_of,
    text_and_code,
    words_of,
)
from cad_bridge.fhir.read_nodes import Node

_LABELS = {label.lower(): name for name, label in codes.OBSERVATION_LABELS.items()}
_OBSERVATION_CODES = {codes.PRESENTING_COMPLAINT: "presenting_complaint", codes.CPR: "cpr_start"}
_BIRTH_SEX_EXTENSION = f"{codes.UKCORE}/StructureDefinition/Extension-UKCore-BirthSex"
_BIRTH_SEXES = {code: sex for sex, (_, code, _) in codes.BIRTH_SEXES.items()}
_AGE_UNITS = {"a": "years", "year": "years", "mo": "months", "month": "months", "wk": "weeks", "week": "weeks"}
"""UCUM, and the words that published examples have in its place (V17)."""


def read_observation(node: Node) -> dict[str, Any]:
    """The field of the content that an Observation fills, with its value; empty if it is none of those known."""
    name = _observation_name(node)
    value = _observed(node, name) if name else None
    if name is None or not value:
        return {}
    code = node.child("code")
    code.child("text").text()
    if name != "birth_sex" or node.child("valueCodeableConcept").exists:
        for coding in codings_of(code):
            coding.done()
    node.expect("status", "final")
    return value


def _observation_name(node: Node) -> str | None:
    label = node.child("code").child("text").value
    if isinstance(label, str) and label.strip().lower() in _LABELS:
        return _LABELS[label.strip().lower()]
    for coding in codings_of(node.child("code")):
        known = _OBSERVATION_CODES.get(coding.child("code").word or "")
        if known and _is(coding, codes.SNOMED):
            return known
        if _is(coding, _BIRTH_SEX_EXTENSION):
            return "birth_sex"
    return None


def _observed(node: Node, name: str) -> dict[str, Any]:
    if name == "presenting_complaint":
        text, code = _complaint(node)
        return {key: value for key, value in ((name, text), (f"{name}_code", code)) if value}
    if name == "cpr_start":
        start = date_or_moment_of(node.child("effectiveDateTime"))
        return {name: start} if start and hasattr(start, "hour") else {}
    if name == "birth_sex":
        return _birth_sex(node)
    if name == "estimated_age":
        return _estimated_age(node)
    if name == "household_composition":
        return _household(node)
    text = node.child("valueString").text() or words_of(node.child("valueCodeableConcept"))
    return {name: text} if text else {}


def _complaint(node: Node) -> tuple[str | None, Coding | None]:
    text = node.child("valueString").text()
    return (text, None) if text else text_and_code(node.child("valueCodeableConcept"))


def _birth_sex(node: Node) -> dict[str, Any]:
    """Birth sex is the value; one published example has it as the code."""
    for coding in (*codings_of(node.child("valueCodeableConcept")), *codings_of(node.child("code"))):
        sex = _BIRTH_SEXES.get(coding.child("code").word or "")
        if sex:
            coding.done()
            return {"birth_sex": sex}
    return {}


def _estimated_age(node: Node) -> dict[str, Any]:
    quantity = node.child("valueQuantity")
    unit = _AGE_UNITS.get(str(quantity.child("code").word or quantity.child("unit").value).rstrip("s"))
    value = quantity.child("value").value
    if unit is None or isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 6000:
        return {}
    quantity.done()
    return {f"estimated_age_{unit}": value}


def _household(node: Node) -> dict[str, Any]:
    codings = codings_of(node.child("valueCodeableConcept"))
    code = code_of(codings[0]) if codings else None
    return {"household_composition": code} if code else {}


def _is(coding: Node, system: str) -> bool:
    return same_system(system_of(coding), system)
