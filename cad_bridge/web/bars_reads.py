"""The BaRS reads: what we can do, which messages we take, and the state of a request that we hold.

Query strings are never logged: they can hold an NHS number. For the same reason a search may be posted as a form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from cad_bridge.engine.readback import current_request, requests_of_patient
from cad_bridge.engine.verdicts import Reply
from cad_bridge.protocol.capability import (
    capability_statement,
    message_definition_resource,
    searchset,
    served_definitions,
)
from cad_bridge.protocol.errors import NOT_FOUND, TOO_COSTLY, Refused
from cad_bridge.protocol.headers import RequestHeaders, given_ids, read_headers
from cad_bridge.protocol.media import negotiate
from cad_bridge.protocol.queries import (
    no_definitions,
    no_request_id,
    read_definition_query,
    read_form,
    read_request_id,
    read_request_search,
)
from cad_bridge.protocol.services import LocalService
from cad_bridge.web.bars import BarsRoute, read_body, receiver_of, refuse_address, refuse_plainly, respond
from cad_bridge.web.bars_access import refused_caller
from cad_bridge.web.bars_addresses import PREFIX
from cad_bridge.web.context import context_of
from cad_bridge.workflow.vocabulary import UseCase

MAX_FORM_BYTES = 64 * 1024

router = APIRouter(prefix=PREFIX, tags=["bars"], route_class=BarsRoute)


async def _admit(request: Request) -> RequestHeaders | Response:
    """The headers of a read that may be answered, or the answer that it gets instead."""
    receiver, ids = receiver_of(request), given_ids(request.headers)
    headers = read_headers(request.headers, method="GET")
    if fault := refused_caller(context_of(request), request, headers):
        return respond(receiver.plain(fault), ids)
    if isinstance(headers, Refused):
        return respond(receiver.refuse(headers), ids)
    negotiated = negotiate(headers.accept)
    if isinstance(negotiated, Refused):
        return respond(receiver.refuse(negotiated), ids)
    return headers


def _found(request: Request, resource: Any) -> Response:
    return respond(Reply(status=200, body=orjson.dumps(resource)), given_ids(request.headers))


def _refuse(request: Request, refused: Refused) -> Response:
    return respond(receiver_of(request).refuse(refused), given_ids(request.headers))


@router.get("/metadata/", response_class=Response, include_in_schema=False)
@router.get("/metadata", response_class=Response)
async def metadata(request: Request) -> Response:
    """The CapabilityStatement (CORE-CN-02, CORE-CN-03)."""
    admitted = await _admit(request)
    if isinstance(admitted, Response):
        return admitted
    engine = context_of(request).engine
    statement = capability_statement(
        engine.site.services.values(),
        base_url=_base(request),
        software_name=engine.site.software.name,
        software_version=engine.site.software.version,
        released_at=engine.now(),
    )
    return _found(request, statement)


@router.get("/MessageDefinition/", response_class=Response, include_in_schema=False)
@router.get("/MessageDefinition", response_class=Response)
async def message_definitions(request: Request) -> Response:
    """The definitions of the messages that a service takes, one or two contexts given (CORE-CN-13)."""
    admitted = await _admit(request)
    if isinstance(admitted, Response):
        return admitted
    engine = context_of(request).engine
    query = read_definition_query(request.query_params.getlist("context"))
    if isinstance(query, Refused):
        return _refuse(request, query)
    if query.use_case is not None and query.use_case not in set(UseCase):
        return _refuse(request, no_definitions())
    use_case = UseCase(query.use_case) if query.use_case is not None else None
    resources = list(_definitions(_asked(engine.site.services.values(), query.service_id), use_case))
    if not resources:
        return _refuse(request, no_definitions())
    at = engine.now()
    self_url = f"{_base(request)}/MessageDefinition"
    return _found(request, searchset(resources, bundle_id=engine.new_id(), self_url=self_url, at=at))


def _asked(services: Iterable[LocalService], service_id: str | None) -> list[LocalService]:
    return [service for service in services if service_id in {None, service.id}]


def _definitions(services: Iterable[LocalService], use_case: UseCase | None) -> Iterable[dict[str, Any]]:
    for service in services:
        for definition, served in served_definitions(service, use_case=use_case):
            yield message_definition_resource(definition, service_id=service.id, use_case=served)


@router.get("/ServiceRequest/{request_id}", response_class=Response)
async def service_request(request_id: str, request: Request) -> Response:
    """A request that we hold, as it is now: active, completed or revoked (CORE-WF-14)."""
    admitted = await _admit(request)
    if isinstance(admitted, Response):
        return admitted
    wanted = read_request_id(request_id)
    if isinstance(wanted, Refused):
        return _refuse(request, wanted)
    body = await current_request(context_of(request).database, wanted)
    if body is None:
        return _refuse(request, _not_held())
    return _found(request, body)


@router.get("/ServiceRequest", response_class=Response)
async def search_requests(request: Request) -> Response:
    """All requests of a patient that the service holds (CORE-ERR-SR-10)."""
    return await _search(request, request.query_params.multi_items())


@router.post("/ServiceRequest/_search", response_class=Response)
async def search_requests_by_form(request: Request) -> Response:
    """The same with the parameters in the body, so that an NHS number stands in no URL."""
    raw = await read_body(request, at_most=MAX_FORM_BYTES)
    if raw is None:
        return refuse_plainly(request, TOO_COSTLY, "The form is too long.")
    form = read_form(raw, request.headers.get("content-type"))
    if isinstance(form, Refused):
        return _refuse(request, form)
    return await _search(request, [*request.query_params.multi_items(), *form])


async def _search(request: Request, parameters: list[tuple[str, str]]) -> Response:
    admitted = await _admit(request)
    if isinstance(admitted, Response):
        return admitted
    wanted = read_request_search(parameters)
    if isinstance(wanted, Refused):
        return _refuse(request, wanted)
    context = context_of(request)
    target = admitted.target.service_id if admitted.target is not None else None
    found = await requests_of_patient(context.database, wanted, service=target)
    self_url = f"{_base(request)}/ServiceRequest"
    bundle = searchset(found, bundle_id=context.engine.new_id(), self_url=self_url, at=context.now())
    return _found(request, bundle)


def _not_held() -> Refused:
    return Refused.because(
        NOT_FOUND, "There is no such ServiceRequest here.", expression="http.id", rule="CORE-ERR-SR-04"
    )


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/") + PREFIX


_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@router.api_route("", methods=_METHODS, response_class=Response)
@router.api_route("/{address:path}", methods=_METHODS, response_class=Response)
async def anything_else(request: Request, address: str = "") -> Response:
    """Slots, appointments and documents belong to other applications: 501. 405 and 404 for the rest."""
    if address == "ServiceRequest/" and request.method == "GET":
        return _refuse(request, no_request_id())
    return refuse_address(request)
