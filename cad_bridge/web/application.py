"""The FastAPI application: routes, error answers and response headers."""

from __future__ import annotations

import logging

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cad_bridge import __version__
from cad_bridge.engine.receiving import Receiver
from cad_bridge.store import refusals
from cad_bridge.store.failures import StorageError
from cad_bridge.web import bars, bars_reads, board, catalogue, catalogue_access, health
from cad_bridge.web.bars_addresses import HeadIsGet
from cad_bridge.web.context import WebContext, context_of
from cad_bridge.web.local import cases, discovery, events, referrals, requests, upkeep
from cad_bridge.web.local import catalogue as services
from cad_bridge.web.local.access import PREFIX, a_key_is_needed, caller_of, well_formed
from cad_bridge.web.problems import (
    PROBLEM_RESPONSES,
    ProblemError,
    field_errors,
    invalid,
    no_database,
    unreadable,
)

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 10 * 1024 * 1024
_SECURE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'; object-src 'none'",
}


def build(context: WebContext, receiver: Receiver) -> FastAPI:
    """The application for one running service."""
    app = FastAPI(
        title="cad_bridge",
        version=__version__,
        description="The local API of an ambulance CAD-to-CAD and validation workflow service.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = context
    app.state.receiver = receiver
    app.include_router(bars.router, include_in_schema=False)
    app.include_router(bars_reads.router, include_in_schema=False)
    for part in (requests, referrals, cases, events, discovery, services, upkeep):
        app.include_router(part.router, prefix=PREFIX, dependencies=[Depends(well_formed)], responses=PROBLEM_RESPONSES)
    app.include_router(catalogue.router, include_in_schema=False)
    app.include_router(health.router, include_in_schema=False)
    board.mount(app, context)
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    for kind in StorageError:
        app.add_exception_handler(kind, _no_database)
    app.add_exception_handler(ClientDisconnect, _hung_up)
    app.add_exception_handler(Exception, _unexpected)
    app.add_middleware(Guard)
    app.add_middleware(HeadIsGet)
    return app


class Guard:
    """Refuses a body that is announced as too large, and puts the security headers on every answer.

    Plain ASGI, so that a stream is cancelled in one piece and an answer is not passed through a second task.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, unless its body is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SECURE.items():
                    headers.setdefault(name, value)
            await send(message)

        await (_too_large(Request(scope)) or self._app)(scope, receive, secured)


def _too_large(request: Request) -> Response | None:
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) <= MAX_BODY_BYTES:
        return None
    return _fhir_error(request, 413) or ProblemError(413, "The body is too large").response()


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    if error.status in {409, 415, 422}:
        await _keep(request, error)
    return error.response()


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return await _refused(request, invalid(field_errors(error.errors())))


async def _refused(request: Request, problem: ProblemError) -> Response:
    """A body is read before anybody asks for a key: a stranger hears of the key alone, and leaves nothing behind."""
    if request.url.path.startswith(f"{PREFIX}/") and await caller_of(request) is None:
        return a_key_is_needed().response()
    await _keep(request, problem)
    return problem.response()


async def _keep(request: Request, problem: ProblemError) -> None:
    """A client's call that was refused for its content is kept for audit; its body goes nowhere else."""
    context, caller = context_of(request), await caller_of(request)
    if caller is None:
        return
    await refusals.keep(
        context.database,
        id_=context.engine.new_id(),
        at=context.now(),
        client=caller.name,
        path=request.url.path,
        status=problem.status,
        body=await request.body(),
        problems=list(problem.errors) or [{"message": problem.detail or problem.title}],
    )


def _fhir_error(request: Request, status: int) -> Response | None:
    """The error as an OperationOutcome where the path speaks FHIR."""
    return bars.fhir_error(request, status) or catalogue_access.fhir_error(request, status)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    fhir = _fhir_error(request, error.status_code)
    if fhir is not None:
        return fhir
    if error.status_code == 400 and request.url.path.startswith(f"{PREFIX}/"):
        return await _refused(request, unreadable())
    page = board.error_page(request.url.path, error.status_code)
    return page or ProblemError(error.status_code, str(error.detail)).response()


async def _no_database(request: Request, error: Exception) -> Response:
    """503: it may pass. BaRS calls have a guard of their own, which gives them an OperationOutcome."""
    log.error("the database failed a call", exc_info=error, extra={"path": request.url.path})
    known = _fhir_error(request, 503) or board.error_page(request.url.path, 503)
    return known or no_database().response()


async def _hung_up(_: Request, __: Exception) -> Response:
    """The caller went before its call was read whole: nothing is wrong here, and nobody waits for an answer."""
    return Response(status_code=400)


async def _unexpected(request: Request, error: Exception) -> Response:
    """500 without a word of what happened inside; the log has it, with the path and no body."""
    log.error("a request failed", exc_info=error, extra={"path": request.url.path})
    known = _fhir_error(request, 500) or board.error_page(request.url.path, 500)
    return known or ProblemError(500, "Something went wrong here", "The failure has been logged.").response()
