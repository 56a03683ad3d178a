"""Two ambulance services in two installations, strict on both sides, with nothing but messages between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cad_bridge.clock import ManualClock
from cad_bridge.settings import key_digest
from tests.by_hand import a_clock, messages_of, send_due
from tests.referrals import CAD_TO_CAD, referral_configuration
from tests.service import CAD_KEY, CLINICIAN_KEY, DOS, EOC, Running, serving
from tests.two_sites import free_port

THEIR_EOC = f"{DOS}|2000000016"
THEIR_CAS = f"{DOS}|2000000041"


@dataclass(frozen=True, slots=True)
class TwoAsts:
    """The sender's installation and the receiver's, turned by hand: no loop runs, and messages go when sent."""

    ours: Running
    theirs: Running

    clock: ManualClock

    async def send(self) -> None:
        """Send what is due on both sides, until nothing is; what comes next is of a later moment."""
        await send_due(self.ours)
        await send_due(self.theirs)
        self.clock.advance(timedelta(seconds=1))

    async def refer(self, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Refer a case, and give both sides' view of it."""
        answer = await self.ours.api("POST", "/referrals", json=body)
        assert answer.status_code == 201, answer.text
        await self.send()
        return await self.both(answer.json()["id"])

    async def both(self, case_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Both sides' view of a case of ours that the other side holds."""
        case = await self.ours.case(case_id)
        assert case["delivered"], case
        query = {"q": case["remote_case_number"]}
        found = (await self.theirs.api("GET", "/cases", key=CLINICIAN_KEY, params=query)).json()["cases"]
        assert len(found) == 1
        return case, await self.theirs.case(found[0]["id"], key=CLINICIAN_KEY)

    async def tell(self, case: dict[str, Any], action: str, body: dict[str, Any]) -> None:
        """What our CAD does about a case of ours."""
        answer = await self.ours.api("POST", f"/cases/{case['id']}/{action}", json=body)
        assert answer.status_code in {200, 202}, answer.text
        await self.send()

    async def they(self, case: dict[str, Any], action: str, **body: Any) -> None:
        """What their dispatcher does about a case of theirs."""
        answer = await self.theirs.api("POST", f"/cases/{case['id']}/{action}", key=CLINICIAN_KEY, json=body)
        assert answer.status_code == 200, answer.text
        await self.send()

    async def sent(self, case: dict[str, Any]) -> list[dict[str, Any]]:
        """The messages of a case of ours, with their bytes."""
        return await messages_of(self.ours, case["id"])


@asynccontextmanager
async def two_asts(our_database: str, their_database: str) -> AsyncIterator[TwoAsts]:
    """Both installations on loopback, each with a database of its own; the other one has a CAS as well."""
    port, ast = free_port(), {"role": "ast", "strict": True}
    yorkshire = ast | {"id": EOC, "ods_code": "RX8", "name": "Yorkshire EOC", "use_cases": ["a3t1", *CAD_TO_CAD]}
    north_east = ast | {"id": THEIR_EOC, "ods_code": "RX6", "name": "North East EOC", "use_cases": [*CAD_TO_CAD]}
    cas = {"id": THEIR_CAS, "ods_code": "RYE", "name": "CAS", "role": "cas", "use_cases": ["a3t1"], "strict": True}
    their_configuration = referral_configuration(
        base_url=f"http://127.0.0.1:{port}/FHIR/R4",
        service=[north_east, cas],
        remote=[_known(yorkshire)],
        client=[_client("north-east", CLINICIAN_KEY, THEIR_EOC, THEIR_CAS)],
        user=[],
    )
    clock = a_clock()
    async with serving(their_configuration, their_database, clock=clock, background=False) as theirs:
        our_configuration = referral_configuration(
            base_url=f"{theirs.url}/FHIR/R4",
            service=[yorkshire],
            remote=[_known(north_east), _known(cas)],
            client=[_client("yorkshire", CAD_KEY, EOC)],
            user=[],
        )
        async with serving(our_configuration, our_database, clock=clock, port=port, background=False) as ours:
            yield TwoAsts(ours, theirs, clock)


def _known(service: dict[str, Any]) -> dict[str, Any]:
    return {name: service[name] for name in ("id", "ods_code", "name", "use_cases")}


def _client(name: str, key: str, *services: str) -> dict[str, Any]:
    roles = ["cad", "clinician"]
    return {"name": name, "key_sha256": key_digest(key), "services": [*services], "roles": roles}
