"""Whose is this place, who takes its case, and why did a case go where it went (docs/discovery.md).

Questions and answers hold a location, which can be somebody's home: nothing of them is logged. A question may be
posted, so that it stands in no address that a proxy in between might write down.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

from cad_bridge.discovery.query import DiscoveryQuery
from cad_bridge.store import receiver_decisions
from cad_bridge.store.plain import as_json
from cad_bridge.store.receiver_decisions import ReceiverDecision
from cad_bridge.web.local.access import Context, Reader, visible_case

router = APIRouter(tags=["discovery"])

_Words = Annotated[str | None, Field(max_length=100)]
# As it was typed: the digits say how precise it is. A JSON number is taken as exact.
_Typed = StrictStr | StrictInt | StrictFloat | None


class _Place(BaseModel):
    """What a place may be given by, beside its coordinates."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    crs: _Words = Field(default=None, description="The grid of easting and northing: osgb or irish. Never guessed.")
    postcode: _Words = Field(default=None, description="A cross-check; the location only where there is no other.")
    uprn: _Words = None
    what3words: _Words = None
    uncertainty_m: float | None = Field(default=None, description="Radius that came with the position, in metres.")


class AskedPlace(_Place):
    """A place in a query string: every number is the text that was typed."""

    lat: _Words = Field(default=None, description="WGS84 degrees north.")
    lon: _Words = Field(default=None, description="WGS84 degrees east; negative in most of the United Kingdom.")
    easting: _Words = Field(default=None, description="Metres of the grid that crs names.")
    northing: _Words = Field(default=None, description="Metres of the grid that crs names.")


class PostedPlace(_Place):
    """A place in a JSON body. Text keeps the precision that it was typed with; a number counts as exact."""

    lat: _Typed = None
    lon: _Typed = None
    easting: _Typed = None
    northing: _Typed = None


def _question(place: AskedPlace | PostedPlace) -> DiscoveryQuery:
    return DiscoveryQuery(**place.model_dump())


@router.get("/discovery")
async def locate(place: Annotated[AskedPlace, Query()], context: Context, client: Reader) -> dict[str, Any]:
    """The ambulance service that is responsible at a place, how sure that is, and why."""
    del client  # every client may ask
    return (await context.engine.discovery.answer(_question(place))).as_dict()


@router.post("/discovery")
async def locate_posted(place: PostedPlace, context: Context, client: Reader) -> dict[str, Any]:
    """The same with the place in the body, so that no coordinates and no postcode stand in an address."""
    del client  # every client may ask
    return (await context.engine.discovery.answer(_question(place))).as_dict()


@router.get("/cases/{case_id}/discovery")
async def case_decisions(case_id: UUID, context: Context, client: Reader) -> dict[str, Any]:
    """Why a case went to its receiver: boundary version, distance to the border, alternatives, and who decided."""
    await visible_case(context, client, case_id)
    decisions = await receiver_decisions.of_case(context.database, case_id)
    return {"decisions": [_decision(decision) for decision in decisions]}


def _decision(decision: ReceiverDecision) -> dict[str, Any]:
    view: dict[str, Any] = as_json(
        {
            "how": decision.how,
            "use_case": decision.use_case,
            "service_id": decision.service_id,
            "ods_code": decision.ods_code,
            "decided_by": decision.decided_by,
            "decided_at": decision.decided_at,
            "reason": decision.reason,
            "boundary_version": decision.boundary_version,
            "discovery": decision.answer,
            "alternatives": decision.alternatives,
            "doubts": decision.doubts,
        }
    )
    return view
