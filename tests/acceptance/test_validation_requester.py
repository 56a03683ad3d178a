"""A CAD asks a CAS to validate a case: the main job, over real HTTP, through the proxy, and back."""

from __future__ import annotations

from cad_bridge.sandbox import plans
from cad_bridge.sandbox.actions import Outcome
from cad_bridge.sandbox.plans import Script
from cad_bridge.sandbox.server import CasConfig
from tests.service import with_sandbox


async def test_interim_and_final_without_dispatch(database_url: str) -> None:
    script = Script(plans.complete(Outcome.HEAR_AND_TREAT, start_after=0.05, consult=0.05))
    async with with_sandbox(database_url, cas=CasConfig(script=script)) as running:
        case = await running.open_case()
        assert case["state"] == "sent"
        done = await running.state(case["id"], "completed")
        types = [event["type"] for event in await running.events(case["id"])]
        assert types == ["case.created", "case.acknowledged", "case.in_progress", "case.completed"]
        assert done["remote_case_number"]
        assert done["deadlines"] == []
