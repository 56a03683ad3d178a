"""Who calls the local API: a bearer key of a configured client, with its services and roles."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256
from typing import Annotated
from urllib.parse import unquote
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from cad_bridge.fhir.json_text import repeats_a_key
from cad_bridge.store import queries
from cad_bridge.store.rows import StoredCase
from cad_bridge.web.context import Client, WebContext, context_of
from cad_bridge.web.problems import ProblemError, invalid, not_found

PREFIX = "/api/v1"
_bearer = HTTPBearer(auto_error=False, description="An API key of a configured client.")


def client_of(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Client:
    """The client whose key was given. Raises a 401 problem, or 422 for a query that holds a NUL."""
    client = client_with(request, credentials.credentials if credentials else "")
    if client is None:
        raise a_key_is_needed()
    if "\0" in unquote(request.url.query):
        raise invalid([{"path": "query", "message": "must hold no control character"}])
    return client


def client_with(request: Request, key: str) -> Client | None:
    """The client that has such a key."""
    given = sha256(key.encode()).hexdigest()
    for digest, client in context_of(request).clients.items():
        if hmac.compare_digest(digest, given):
            return client
    return None


async def caller_of(request: Request) -> Client | None:
    """Who calls the local API, before any route has asked; None for strangers and for all other addresses."""
    if not request.url.path.startswith(f"{PREFIX}/"):
        return None
    given = await _bearer(request)
    return client_with(request, given.credentials if given else "")


def a_key_is_needed() -> ProblemError:
    """401."""
    return ProblemError(401, "A valid API key is needed")


Caller = Annotated[Client, Depends(client_of)]
Context = Annotated[WebContext, Depends(context_of)]


async def well_formed(request: Request, client: Caller) -> None:
    """A body is called JSON, and every name in the query, and in each object of the body, stands there once.

    Readers keep the last of two and say nothing of the other, which may be the right one. Raises a 415 or 422 problem.
    """
    del client  # asked for first: a stranger is told nothing
    if await request.body() and not _is_json(request.headers.get("content-type", "")):
        raise ProblemError(
            415, "The body is not called JSON", errors=[{"path": "header.content-type", "message": f"must be {JSON}"}]
        )
    names = [name for name, _ in request.query_params.multi_items()]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise invalid([{"path": f"query.{name}", "message": "is there more than once"} for name in repeated])
    if await _repeats_a_name(request):
        raise invalid([{"path": "", "message": "an object of the body says a name more than once"}])


JSON = "application/json"


def _is_json(media_type: str) -> bool:
    """Some clients call every body a form, unless they are told: its content would be read as nothing."""
    plain = media_type.partition(";")[0].strip().lower()
    return plain == JSON or (plain.startswith("application/") and plain.endswith("+json"))


async def _repeats_a_name(request: Request) -> bool:
    """Whether a JSON body does; a body that is no JSON is its route's affair."""
    body = await request.body()
    try:
        return bool(body) and repeats_a_key(body)
    except (ValueError, RecursionError):
        return False


def needing(*roles: str) -> Callable[..., Client]:
    """A dependency: the caller, if it has one of the roles. Admin may do everything."""

    def check(client: Caller) -> Client:
        if not client.roles & {*roles, "admin"}:
            raise ProblemError(403, "This client may not do that", f"It needs one of these roles: {', '.join(roles)}.")
        return client

    return check


Cad = Annotated[Client, Depends(needing("cad", "dispatcher"))]
Clinician = Annotated[Client, Depends(needing("clinician", "cad"))]
Reader = Annotated[Client, Depends(needing("cad", "clinician", "dispatcher", "auditor"))]
Actor = Annotated[Client, Depends(needing("cad", "clinician", "dispatcher"))]


async def visible_case(context: WebContext, client: Client, case_id: UUID) -> StoredCase:
    """A case of one of the client's services. Raises a 404 problem for any other."""
    stored = await queries.case_by_id(context.database, case_id, services=client.services)
    if stored is None:
        raise not_found("case")
    return stored
