"""The small parts of a message that is built. Every resource passes through its class in fhir.resources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from fhir.resources.R4B import get_fhir_model_class

from cad_bridge.fhir.codes import RELATIONSHIPS, ukcore_profile
from cad_bridge.fhir.content_types import Address, Code, Coding, Name, Organisation, Telecom

Json = dict[str, Any]


class Entry(NamedTuple):
    """One entry of a Bundle."""

    full_url: str
    resource: Json


@cache
def _model(resource_type: str) -> Any:
    return get_fhir_model_class(resource_type)


def filled(fields: Mapping[str, Any]) -> Json:
    """The fields that hold something: FHIR knows neither null nor empty lists and objects."""
    return {name: value for name, value in fields.items() if value is not None and value not in ([], {})}


def resource(
    resource_type: str,
    fields: Mapping[str, Any],
    *,
    last_updated: datetime | None,
    profiles: Iterable[str] = (),
    id: str | None = None,  # noqa: A002 - the FHIR name
) -> Json:
    """A resource as fhir.resources understands it, with meta (CORE-BND-03). Contained resources have no lastUpdated.

    Raises pydantic.ValidationError for anything that the R4B model does not allow.
    """
    meta = filled({"lastUpdated": last_updated, "profile": list(profiles) or [ukcore_profile(resource_type)]})
    model = _model(resource_type).model_validate(filled({"id": id, "meta": meta, **filled(fields)}))
    dumped: Json = model.model_dump()
    return dumped


def reference(full_url: str) -> Json:
    """A Reference."""
    return {"reference": full_url}


def coding(system: str, code: str, display: str | None = None) -> Json:
    """A Coding."""
    return filled({"system": system, "code": code, "display": display})


def concept(*codings: Json, text: str | None = None) -> Json:
    """A CodeableConcept."""
    return filled({"coding": list(codings), "text": text})


def coded(value: Code | None, system: str) -> Json | None:
    """A CodeableConcept of a code whose system the field tells."""
    return None if value is None else concept(coding(system, value.code, value.display))


def free_coding(value: Coding) -> Json:
    """A Coding of a code that brings its system."""
    return coding(value.system, value.code, value.display)


def coded_text(code: Coding | None, text: str | None) -> Json:
    """A CodeableConcept of a code, a text, or both."""
    return concept(*([free_coding(code)] if code else []), text=text)


def human_name(name: Name | None, *, use: str | None = None) -> Json | None:
    """A HumanName; its text is filled from the parts where the sender gave none."""
    if name is None:
        return None
    return filled(
        {
            "use": use,
            "text": name.full,
            "family": name.family,
            "given": list(name.given),
            "prefix": list(name.prefix),
            "suffix": list(name.suffix),
        }
    )


def contact_point(telecom: Telecom) -> Json:
    """A ContactPoint."""
    return filled({"system": telecom.system, "value": telecom.value, "use": telecom.use, "rank": telecom.rank})


def contact_points(methods: Iterable[Telecom]) -> list[Json]:
    """ContactPoints in the order given."""
    return [contact_point(method) for method in methods]


def postal_address(address: Address | None) -> Json | None:
    """An Address."""
    if address is None:
        return None
    return filled(
        {
            "use": address.use,
            "text": address.text,
            "line": list(address.lines),
            "city": address.city,
            "district": address.district,
            "postalCode": address.postcode,
            "country": address.country,
        }
    )


def relationship_concept(words: str) -> Json:
    """The relationship's BaRS code; words that have none are sent as text beside "Unknown" (APP-COM-08)."""
    known = RELATIONSHIPS.get(words.strip().lower())
    system, code, display = known or RELATIONSHIPS["unknown"]
    is_plain = known is not None and words in RELATIONSHIPS
    return concept(coding(system, code, display), text=None if is_plain else words)


def organisation_fields(organisation: Organisation, system: str) -> Json:
    """Organization elements of an ODS code and a name."""
    identifier = organisation.ods_code and [{"system": system, "value": organisation.ods_code}]
    return filled({"identifier": identifier, "name": organisation.name})
