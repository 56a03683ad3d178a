"""Who may read and change the endpoint catalogue, and how a refusal is said: always as an OperationOutcome."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute

from cad_bridge.discovery.catalogue.elements import identifiers
from cad_bridge.discovery.catalogue.search import SearchError
from cad_bridge.discovery.catalogue.tokens import same_system
from cad_bridge.discovery.catalogue.versions import NotOwnerError, StaleUpdateError, WrongIdError
from cad_bridge.engine.catalogue import Author, InvalidResourceError, NoSuchResourceError
from cad_bridge.fhir.systems import ODS_CODE
from cad_bridge.protocol.errors import (
    CONFLICT,
    FORBIDDEN,
    INVALID,
    METHOD_NOT_ALLOWED,
    NO_STORE,
    NOT_FOUND,
    SERVER_ERROR,
    STRUCTURE,
    UNAUTHORIZED,
    VALUE,
    Fault,
    Refused,
)
from cad_bridge.protocol.headers import END_USER_ORGANISATION, decode_json_header, given_ids
from cad_bridge.web.bars import receiver_of, respond
from cad_bridge.web.context import Client, context_of
from cad_bridge.web.local.access import client_of, needing
from cad_bridge.web.problems import ProblemError

PREFIX = "/catalogue/FHIR/R4"
_RULE = "API 1.4.0"

_FAULTS: Mapping[type[Exception], Fault] = {
    NoSuchResourceError: NOT_FOUND,
    SearchError: INVALID,
    NotOwnerError: FORBIDDEN,
    StaleUpdateError: CONFLICT,
    WrongIdError: VALUE,
}


class RefusedError(Exception):
    """The answer is this refusal."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.fault.code)
        self.refused = refused


def because(fault: Fault, text: str, expression: str = "") -> RefusedError:
    """A refusal for one reason."""
    return RefusedError(Refused.because(fault, text, expression=expression, rule=_RULE))


class CatalogueRoute(APIRoute):
    """A route whose every refusal is an OperationOutcome with both ids."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, guarded."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await handle(request)
            except RefusedError as error:
                return refuse(request, error.refused)
            except InvalidResourceError as error:
                return refuse(request, Refused(fault=STRUCTURE, issues=error.issues))
            except ProblemError as error:
                return refuse(request, _problem(error))
            except RequestValidationError:
                return refuse(request, Refused(fault=NOT_FOUND))
            except (NoSuchResourceError, SearchError, NotOwnerError, StaleUpdateError, WrongIdError) as error:
                return refuse(request, _in_words(error))

        return guarded


def _problem(error: ProblemError) -> Refused:
    fault = {401: UNAUTHORIZED, 403: FORBIDDEN}.get(error.status, INVALID)
    return Refused.because(fault, f"{error.title}. {error.detail}".strip(), rule=_RULE)


def _in_words(error: Exception) -> Refused:
    text, fault = str(error), _FAULTS[type(error)]
    return Refused.because(fault, f"{text[:1].upper()}{text[1:]}." if text else fault.meaning, rule=_RULE)


def refuse(request: Request, refused: Refused) -> Response:
    """A refusal as an answer."""
    response = respond(receiver_of(request).refuse(refused), given_ids(request.headers))
    if refused.fault is UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def fhir_error(request: Request, status: int) -> Response | None:
    """404, 405, 500, 503 under the catalogue's path as an OperationOutcome; None for other paths."""
    if not request.url.path.startswith(PREFIX):
        return None
    fault = {404: NOT_FOUND, 405: METHOD_NOT_ALLOWED, 503: NO_STORE}.get(status, SERVER_ERROR)
    return refuse(request, Refused(fault=fault))


def _author(request: Request, client: Client) -> Author:
    """The client, for the organisations of its services, or for the one of them that the header names."""
    engine = context_of(request).engine
    services = [engine.site.service(service) for service in client.services]
    own = frozenset(service.ods_code.upper() for service in services if service is not None)
    named = _named_organisation(request)
    if named is None:
        return Author(name=client.name, organisations=own)
    if named not in own:
        raise because(FORBIDDEN, f"The client does not act for the organisation in {END_USER_ORGANISATION}.")
    return Author(name=client.name, organisations=frozenset({named}))


def _named_organisation(request: Request) -> str | None:
    header = request.headers.get(END_USER_ORGANISATION)
    if header is None:
        return None
    resource = decode_json_header(header) or {}
    for token in identifiers(resource):
        if same_system(token.system, ODS_CODE):
            return token.value.upper()
    raise because(INVALID, f"{END_USER_ORGANISATION} names no organisation by ODS code.", END_USER_ORGANISATION)


def _reader(request: Request, client: Annotated[Client, Depends(client_of)]) -> Author:
    return _author(request, client)


def _writer(request: Request, client: Annotated[Client, Depends(needing("admin"))]) -> Author:
    return _author(request, client)


Reading = Annotated[Author, Depends(_reader)]
Writing = Annotated[Author, Depends(_writer)]
