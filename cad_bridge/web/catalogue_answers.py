"""Bodies, parameters and answers of the endpoint catalogue's routes."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

import orjson
from fastapi import Request
from fastapi.responses import Response

from cad_bridge.discovery.catalogue.elements import Resource
from cad_bridge.discovery.catalogue.search import SearchError, searchset, shown_to
from cad_bridge.engine.catalogue import ENDPOINT, Author, Stored
from cad_bridge.engine.verdicts import Reply, issue_as_json
from cad_bridge.fhir.json_text import read_json
from cad_bridge.fhir.systems import HTTP_ERROR
from cad_bridge.protocol.errors import OPERATION_OUTCOME_PROFILE, STRUCTURE, VALUE, Refused
from cad_bridge.protocol.headers import given_ids
from cad_bridge.store.catalogue import CatalogueVersion
from cad_bridge.web.bars import respond
from cad_bridge.web.catalogue_access import PREFIX, RefusedError, because
from cad_bridge.web.context import context_of

log = logging.getLogger(__name__)

_ETAG = re.compile(r"(?:W/)?\"([0-9]{1,18})\"\Z")
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}\Z")


def search_parameters(request: Request) -> dict[str, str]:
    """The search parameters. Raises SearchError for one that is there twice."""
    given = request.query_params.multi_items()
    if len({name.lower() for name, _ in given}) != len(given):
        raise SearchError("a search parameter is there twice")
    return dict(given)


async def body(request: Request) -> Resource:
    """The resource in the body. Raises RefusedError for anything that is no JSON object."""
    text = read_json(await request.body())
    if text.value is None:
        raise RefusedError(Refused(fault=STRUCTURE, issues=text.issues))
    return text.value


def checked_id(id_: str) -> str:
    """An id that FHIR allows. Raises RefusedError for another."""
    if not _ID.match(id_):
        raise because(VALUE, "An id has up to 64 letters, digits, hyphens and full stops.", "id")
    return id_


def expected_version(request: Request) -> str | None:
    """The version that `If-Match` names; None without the header. Raises RefusedError for one that names none."""
    header = request.headers.get("if-match")
    if header is None:
        return None
    found = _ETAG.match(header.strip())
    if found is None:
        raise because(VALUE, "If-Match names one version, as the ETag of an answer does.", "If-Match")
    return found.group(1)


def shown(resource: Resource, author: Author) -> Resource:
    """An endpoint that is private shows its address to its owner alone."""
    if resource["resourceType"] != ENDPOINT or author.owns(resource):
        return resource
    return shown_to(resource, None)


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/") + PREFIX


def answer(request: Request, resource: Resource, status: int = 200) -> Response:
    """A resource as an answer, with the ETag of its version if it has one."""
    response = respond(Reply(status=status, body=orjson.dumps(resource)), given_ids(request.headers))
    version = resource.get("meta", {}).get("versionId")
    if version is not None:
        response.headers["ETag"] = f'W/"{version}"'
    return response


def kept(request: Request, stored: Stored, *, replaced: bool = False) -> Response:
    """What was stored; 201 with its address, that of the PUT itself, where a PUT made it."""
    resource = stored.resource
    if stored.warnings:
        log.warning(
            "a catalogue resource is not as R4 has it",
            extra={"id": resource["id"], "issues": [issue_as_json(issue) for issue in stored.warnings]},
        )
    if not (replaced and stored.created):
        return answer(request, resource)
    response = answer(request, resource, 201)
    response.headers["Location"] = str(request.url.replace(query=None))
    return response


def matches(request: Request, resources: Iterable[Resource]) -> Response:
    """The answer to a search."""
    context = context_of(request)
    bundle = searchset(
        resources,
        bundle_id=str(context.engine.new_id()),
        base_url=_base(request),
        self_url=str(request.url),
        now=context.now(),
    )
    return answer(request, bundle)


def history_bundle(request: Request, versions: list[CatalogueVersion], author: Author) -> Resource:
    """All versions of a resource as a Bundle of type history."""
    entries = []
    for version in versions:
        url = f"{version.kind}/{version.id}"
        method = {"create": "POST", "update": "PUT", "delete": "DELETE"}[version.action]
        entry: Resource = {
            "fullUrl": f"{_base(request)}/{url}",
            "request": {"method": method, "url": url},
            "response": {"status": "200", "lastModified": version.at.isoformat()},
        }
        if version.resource is not None:
            entry["resource"] = shown(version.resource, author)
        entries.append(entry)
    context = context_of(request)
    # A history has at least one version: FHIR allows no empty array.
    return {
        "resourceType": "Bundle",
        "id": str(context.engine.new_id()),
        "type": "history",
        "total": len(entries),
        "timestamp": context.now().isoformat(),
        "entry": entries,
    }


def deleted(request: Request) -> Response:
    """The answer to a deletion."""
    outcome = {
        "resourceType": "OperationOutcome",
        "id": str(context_of(request).engine.new_id()),
        "meta": {"profile": [OPERATION_OUTCOME_PROFILE]},
        "issue": [
            {
                "severity": "information",
                "code": "informational",
                "details": {"coding": [{"system": HTTP_ERROR, "code": "OK"}]},
                "diagnostics": "Resource deleted successfully.",
            }
        ],
    }
    return answer(request, outcome)
