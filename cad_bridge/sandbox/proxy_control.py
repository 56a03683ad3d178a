"""The proxy's own pages: journal, routes and faults, for a test that runs in another process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, HTTPException, Request, Response

from .faults import Fault
from .identity import split_service_id

if TYPE_CHECKING:
    from .proxy import Proxy


def control_routes(proxy: Proxy) -> APIRouter:
    """`/sandbox/...` of a proxy. No access control: loopback only."""
    router = APIRouter(prefix="/sandbox")

    @router.get("/journal")
    async def journal(after: int = 0) -> dict[str, Any]:
        entries = proxy.journal.after(after)
        return {
            "entries": [entry.as_json() for entry in entries],
            "next": entries[-1].number if entries else after,
        }

    @router.get("/routes")
    async def routes() -> dict[str, str]:
        return proxy.routes

    @router.put("/routes", status_code=204)
    async def route(request: Request) -> Response:
        body = await request.json()
        proxy.routes[_service(body)] = str(body["base_url"])
        return Response(status_code=204)

    @router.post("/faults", status_code=204)
    async def inject(request: Request) -> Response:
        body = await request.json()
        service = _service(body)
        try:
            fault = Fault.from_json({name: value for name, value in body.items() if name != "service"})
        except (KeyError, TypeError, ValueError) as error:
            raise HTTPException(422, f"not a fault: {error}") from error
        proxy.faults.inject(service, fault)
        return Response(status_code=204)

    @router.delete("/faults", status_code=204)
    async def clear() -> Response:
        proxy.faults.clear()
        return Response(status_code=204)

    return router


def _service(body: dict[str, Any]) -> str:
    try:
        split_service_id(body["service"])
    except (KeyError, AttributeError, ValueError) as error:
        raise HTTPException(422, "service must be system|value") from error
    return str(body["service"])
