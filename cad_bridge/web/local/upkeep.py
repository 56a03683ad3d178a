"""What an administrator does by hand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from cad_bridge.store import negotiated
from cad_bridge.web.context import Client
from cad_bridge.web.local.access import Context, needing

router = APIRouter(tags=["upkeep"])

Admin = Annotated[Client, Depends(needing("admin"))]


@router.delete("/negotiated")
async def forget_negotiated(context: Context, client: Admin) -> dict[str, int]:
    """Forget what remote services said they take: each is asked again before its next request (CORE-CN-17)."""
    del client  # the dependency has checked that it may
    return {"forgotten": await negotiated.forget_all(context.database)}
