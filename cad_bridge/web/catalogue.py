"""The endpoint catalogue as FHIR REST of API 1.4.0, under `/catalogue/FHIR/R4` so that it is no part of the BaRS side.

A client of the local API reads; one with the role admin changes what belongs to the organisations of its services.
Every answer is FHIR, errors included, and echoes both ids where they were given.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from cad_bridge.discovery.catalogue.elements import Resource
from cad_bridge.discovery.catalogue.search import (
    search_endpoints,
    search_healthcare_services,
    search_organizations,
    search_templates,
)
from cad_bridge.engine.catalogue import ENDPOINT, HEALTHCARE_SERVICE, ORGANIZATION, TEMPLATE, Catalogue
from cad_bridge.web.catalogue_access import PREFIX, CatalogueRoute, Reading, Writing
from cad_bridge.web.catalogue_answers import (
    answer,
    body,
    checked_id,
    deleted,
    expected_version,
    history_bundle,
    kept,
    matches,
    search_parameters,
    shown,
)
from cad_bridge.web.context import context_of

router = APIRouter(prefix=PREFIX, tags=["catalogue"], route_class=CatalogueRoute)


def _catalogue(request: Request) -> Catalogue:
    return context_of(request).engine.discovery.catalogue


Held = Annotated[Catalogue, Depends(_catalogue)]


class Kind(StrEnum):
    """The types of resource that the catalogue holds."""

    HEALTHCARE_SERVICE = HEALTHCARE_SERVICE
    ENDPOINT = ENDPOINT
    ORGANIZATION = ORGANIZATION


# --- templates of endpoints; before the routes of resources, whose id they would be ------------------


@router.get("/Endpoint/$template", response_class=Response)
async def search_for_templates(request: Request, catalogue: Held, author: Reading) -> Response:
    """Templates by Endpoint.identifier, ConnectionType and PayloadType."""
    found = search_templates(await catalogue.all_of(TEMPLATE), search_parameters(request))
    return matches(request, (shown(resource, author) for resource in found))


@router.post("/Endpoint/$template", response_class=Response)
async def create_template(request: Request, catalogue: Held, author: Writing) -> Response:
    """Store a template."""
    return kept(request, await catalogue.create(TEMPLATE, await body(request), by=author))


@router.put("/Endpoint/{id_}/$template", response_class=Response)
async def replace_template(id_: str, request: Request, catalogue: Held, author: Writing) -> Response:
    """Store a version of a template."""
    expected = expected_version(request)
    stored = await catalogue.replace(TEMPLATE, checked_id(id_), await body(request), by=author, expected=expected)
    return kept(request, stored, replaced=True)


@router.delete("/Endpoint/{id_}/$template", response_class=Response)
async def delete_template(id_: str, request: Request, catalogue: Held, author: Writing) -> Response:
    """Delete a template."""
    await catalogue.delete(TEMPLATE, checked_id(id_), by=author, expected=expected_version(request))
    return deleted(request)


# --- resources ---------------------------------------------------------------------------------------


@router.get("/{kind}", response_class=Response)
async def search(kind: Kind, request: Request, catalogue: Held, author: Reading) -> Response:
    """Resources by the search parameters of API 1.4.0."""
    parameters, resources = search_parameters(request), await catalogue.all_of(kind.value)
    found: Iterable[Resource]
    match kind:
        case Kind.HEALTHCARE_SERVICE:
            found = search_healthcare_services(resources, parameters)
        case Kind.ENDPOINT:
            services = await catalogue.all_of(HEALTHCARE_SERVICE)
            found = search_endpoints(resources, parameters, services=services)
        case Kind.ORGANIZATION:
            found = search_organizations(resources, parameters)
    return matches(request, (shown(resource, author) for resource in found))


@router.post("/{kind}", response_class=Response)
async def create(kind: Kind, request: Request, catalogue: Held, author: Writing) -> Response:
    """Store a new resource under an id of ours; 200, as API 1.4.0 has it."""
    return kept(request, await catalogue.create(kind.value, await body(request), by=author))


@router.get("/{kind}/{id_}", response_class=Response)
async def read(kind: Kind, id_: str, request: Request, catalogue: Held, author: Reading) -> Response:
    """One resource."""
    return answer(request, shown(await catalogue.read(kind.value, id_), author))


@router.get("/{kind}/{id_}/_history", response_class=Response)
async def history(kind: Kind, id_: str, request: Request, catalogue: Held, author: Reading) -> Response:
    """Every version of a resource, the newest first, deletions included."""
    versions = await catalogue.history(kind.value, id_)
    return answer(request, history_bundle(request, versions, author))


@router.put("/{kind}/{id_}", response_class=Response)
async def replace(kind: Kind, id_: str, request: Request, catalogue: Held, author: Writing) -> Response:
    """Store a version of a resource: 200, or 201 if it is the first under this id."""
    expected = expected_version(request)
    stored = await catalogue.replace(kind.value, checked_id(id_), await body(request), by=author, expected=expected)
    return kept(request, stored, replaced=True)


@router.delete("/{kind}/{id_}", response_class=Response)
async def delete(kind: Kind, id_: str, request: Request, catalogue: Held, author: Writing) -> Response:
    """Take a resource out of the catalogue; its history stays."""
    await catalogue.delete(kind.value, id_, by=author, expected=expected_version(request))
    return deleted(request)
