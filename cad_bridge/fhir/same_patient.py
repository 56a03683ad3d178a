"""Whether two messages about one request speak of the same person (CORE-CAN-07)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cad_bridge.fhir import systems
from cad_bridge.fhir.elements import objects, text


def names_another_patient(held: Mapping[str, Any], incoming: Mapping[str, Any]) -> bool:
    """Whether the Patient of a message contradicts that of the request that is held.

    Two NHS numbers decide it. Where one side has none, two birth dates do: names are misheard and spelt anew too often.
    What only one side knows contradicts nothing.
    """
    ours, theirs = _patient(held), _patient(incoming)
    numbers = _nhs_number(ours), _nhs_number(theirs)
    if all(numbers):
        return numbers[0] != numbers[1]
    born = text(ours.get("birthDate")), text(theirs.get("birthDate"))
    return all(born) and born[0] != born[1]


def _patient(bundle: Mapping[str, Any]) -> Mapping[str, Any]:
    resources = (entry.get("resource") for entry in objects(bundle.get("entry")))
    return next((r for r in objects(list(resources)) if r.get("resourceType") == "Patient"), {})


def _nhs_number(patient: Mapping[str, Any]) -> str | None:
    for identifier in objects(patient.get("identifier")):
        value = text(identifier.get("value"))
        if systems.canonical(text(identifier.get("system")) or "") == systems.NHS_NUMBER and value:
            return value.replace(" ", "")
    return None
