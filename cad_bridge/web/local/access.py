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

_bearer = HTTPBearer(auto_error=False, description="An API key of a configured client.")


def client_of(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Client:
    """The client whose key was given. Raises a 401 problem, or 422 for a query that holds a NUL."""
    given = sha256((credentials.credentials if credentials else "").encode()).hexdigest()
    for digest, client in context_of(request).clients.items():
        if hmac.compare_digest(digest, given):
            request.state.client = client.name
            if "\0" in unquote(request.url.query):
                raise invalid([{"path": "query", "message": "must hold no control character"}])
            return client
    raise ProblemError(401, "A valid API key is needed")


Caller = Annotated[Client, Depends(client_of)]
Context = Annotated[WebContext, Depends(context_of)]


async def said_once(request: Request, client: Caller) -> None:
    """Every name in the query, and in each object of a JSON body, stands there once.

    Readers keep the last of two and say nothing of the other, which may be the right one. Raises a 422 problem.
    """
    del client  # asked for first: a stranger is told nothing
    names = [name for name, _ in request.query_params.multi_items()]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise invalid([{"path": f"query.{name}", "message": "is there more than once"} for name in repeated])
    if await _repeats_a_name(request):
        raise invalid([{"path": "", "message": "an object of the body says a name more than once"}])


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
