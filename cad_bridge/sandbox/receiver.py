"""The receiving half of a BaRS system: one address, its checks, and what it answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from fastapi import APIRouter, FastAPI, Request, Response

from .definitions import CANCELLED_REQUEST, REQUEST_EVENT, RESPONSE_EVENT
from .identity import Json, ServiceIdentity, is_uuid
from .message import Message
from .metadata import capability_statement, message_definitions
from .outcomes import FHIR_JSON, RefusedError, bad_request, conflict, not_found
from .receiver_checks import check_message

FHIR_ROOT = "/FHIR/R4"


@dataclass(frozen=True)
class Arrival:
    """A message as it came in."""

    message: Message
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes
    request_id: str
    correlation_id: str
    at: datetime
    """Aware UTC."""


class MessageHandler(Protocol):
    """What a system does with messages that pass the checks: answers the body of the 200, or raises RefusedError."""

    @property
    def identity(self) -> ServiceIdentity:
        """Whose address this is."""

    @property
    def use_cases(self) -> tuple[str, ...]:
        """The use-case categories served."""

    def now(self) -> datetime:
        """The system's clock, aware UTC."""

    def note(self, arrival: Arrival, /) -> None:
        """Sees every message that could be read, before it is dealt with."""

    async def new_request(self, arrival: Arrival, /) -> Json:
        """A new request."""

    async def update(self, arrival: Arrival, /) -> Json:
        """A change to a request."""

    async def cancel(self, arrival: Arrival, /) -> Json:
        """A cancellation."""

    async def response(self, arrival: Arrival, /) -> Json:
        """An asynchronous response."""

    def read(self, service_request_id: str, /) -> Json | None:
        """The ServiceRequest with this id."""

    def search(self, system: str, value: str, /) -> list[Json]:
        """The ServiceRequests of the patient with this identifier."""


class MessageLedger:
    """Which messages are in work and which were processed (CORE-TI-21 to -23, -28)."""

    def __init__(self) -> None:
        self._state: dict[str, str] = {}

    def begin(self, request_id: str) -> None:
        """Takes a message in. Raises RefusedError for a repeat."""
        state = self._state.get(request_id)
        if state == "processed":
            raise conflict("duplicate", "The message has been processed already")
        if state == "in work":
            raise RefusedError(425, "REC_TOO_EARLY", "duplicate", "The message is still being processed")
        self._state[request_id] = "in work"

    def end(self, request_id: str, *, success: bool) -> None:
        """Keeps the id of a success; frees that of a failure, so that a repeat is processed."""
        if success:
            self._state[request_id] = "processed"
        else:
            del self._state[request_id]


def create_receiver(handler: MessageHandler) -> FastAPI:
    """The FHIR endpoint of a system."""
    app = FastAPI(title=handler.identity.name, openapi_url=None)
    app.include_router(_message_routes(handler), prefix=FHIR_ROOT)
    app.include_router(_read_routes(handler), prefix=FHIR_ROOT)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        refused = RefusedError(500, "REC_SERVER_ERROR", "exception", type(error).__name__)
        return _answer(500, refused.outcome(), request.headers)

    return app


def _message_routes(handler: MessageHandler) -> APIRouter:
    router = APIRouter()
    ledger = MessageLedger()

    @router.post("/$process-message")
    async def process_message(request: Request) -> Response:
        try:
            _check_ids(request.headers)
            return _answer(200, await _process(handler, ledger, request), request.headers)
        except RefusedError as refused:
            return _answer(refused.status, refused.outcome(), request.headers)

    return router


def _read_routes(handler: MessageHandler) -> APIRouter:
    router = APIRouter()

    @router.get("/metadata")
    async def metadata(request: Request) -> Response:
        return _read_answer(request, lambda: capability_statement(handler.identity, handler.use_cases))

    @router.get("/MessageDefinition")
    async def definitions(request: Request) -> Response:
        return _read_answer(request, lambda: _definitions(handler, request.query_params.getlist("context")))

    @router.get("/ServiceRequest")
    async def search(request: Request) -> Response:
        return _read_answer(request, lambda: _search(handler, request.query_params.get("patient:identifier")))

    @router.get("/ServiceRequest/{service_request_id}")
    async def read(request: Request, service_request_id: str) -> Response:
        return _read_answer(request, lambda: _read(handler, service_request_id))

    return router


def _read_answer(request: Request, work: Callable[[], Json]) -> Response:
    try:
        _check_ids(request.headers)
        return _answer(200, work(), request.headers)
    except RefusedError as refused:
        return _answer(refused.status, refused.outcome(), request.headers)


async def _process(handler: MessageHandler, ledger: MessageLedger, request: Request) -> Json:
    headers = {name.lower(): value for name, value in request.headers.items()}
    request_id = headers["x-request-id"]
    body = await request.body()
    ledger.begin(request_id)
    success = False
    try:
        message = Message.parse(body)
        arrival = Arrival(
            message=message,
            headers=headers,
            body=body,
            request_id=request_id,
            correlation_id=headers["x-correlation-id"],
            at=handler.now(),
        )
        handler.note(arrival)
        check_message(message, handler.identity, handler.use_cases)
        answer = await _dispatch(handler, arrival)
        success = True
        return answer
    finally:
        ledger.end(request_id, success=success)


async def _dispatch(handler: MessageHandler, arrival: Arrival) -> Json:
    message = arrival.message
    if message.event == RESPONSE_EVENT:
        return await handler.response(arrival)
    if message.reason == "new":
        return await handler.new_request(arrival)
    if message.definition == CANCELLED_REQUEST:
        return await handler.cancel(arrival)
    if message.event == REQUEST_EVENT:
        return await handler.update(arrival)
    raise bad_request("invariant", "Unknown workflow")


def _read(handler: MessageHandler, service_request_id: str) -> Json:
    if not is_uuid(service_request_id):
        raise bad_request("value", "The id of a ServiceRequest is a UUID")
    found = handler.read(service_request_id)
    if found is None:
        raise not_found("There is no such ServiceRequest")
    return found


def _search(handler: MessageHandler, identifier: str | None) -> Json:
    if identifier is None:
        raise bad_request("required", "patient:identifier is missing")
    system, _, value = identifier.rpartition("|")
    if not system or not value:
        raise bad_request("value", "patient:identifier is written system|value")
    found = handler.search(system, value)
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(found),
        "entry": [{"fullUrl": f"ServiceRequest/{resource['id']}", "resource": resource} for resource in found],
    }


def _check_ids(headers: Mapping[str, str]) -> None:
    for name in ("X-Request-Id", "X-Correlation-Id"):
        value = headers.get(name.lower())
        if not value:
            raise bad_request("required", f"{name} is missing")
        if not is_uuid(value):
            raise bad_request("invalid", f"{name} is not a UUID")


def _definitions(handler: MessageHandler, contexts: list[str]) -> Json:
    values = [part.rpartition("|")[2] for context in contexts for part in context.split(",")]
    if not values:
        raise bad_request("required", "context is missing")
    if not all(values):
        raise bad_request("invalid", "context is written system|value")
    if handler.identity.value not in values:
        raise not_found("No MessageDefinition for this context")
    return message_definitions(handler.identity, handler.use_cases)


def _answer(status: int, resource: Json, ids: Mapping[str, str]) -> Response:
    echoed = {name: ids[name] for name in ("x-request-id", "x-correlation-id") if name in ids}
    return Response(json.dumps(resource).encode(), status_code=status, headers=echoed, media_type=FHIR_JSON)
