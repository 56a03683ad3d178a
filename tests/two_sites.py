"""Two installations that share nothing but the messages between them: an ambulance service and those who validate."""

from __future__ import annotations

import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from cad_bridge.settings import ConfigFile, key_digest
from tests.service import CAD_KEY, CLINICIAN_KEY, DOS, EOC, Running, configuration, request_body, serving

CAS, FALLS, COMMUNITY = (f"{DOS}|200000004{number}" for number in (1, 2, 3))
ANSWERED_BY = {"a4t1": CAS, "a4t2": FALLS, "a4t3": COMMUNITY}
"""The responder of each use case of a validation."""


@dataclass(frozen=True, slots=True)
class TwoSites:
    """The requester's installation and the responder's."""

    ast: Running
    responder: Running

    async def ask(self, use_case: str = "a4t1", **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """A validation that the responder holds: the requester's case and the responder's."""
        body = request_body(use_case=use_case, receiver=ANSWERED_BY[use_case], **changes)
        opened = await self.ast.api("POST", "/validation-requests", json=body)
        assert opened.status_code == 201, opened.text
        return await self.held(opened.json()["id"])

    async def held(self, case_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Both sides' view of a case of ours, as soon as its responder holds it."""
        asked = await self.ast.state(case_id, "pending")
        query = {"q": asked["remote_case_number"]}
        cases = (await self.responder.api("GET", "/cases", key=CLINICIAN_KEY, params=query)).json()["cases"]
        assert len(cases) == 1
        return asked, cases[0]

    async def answer(self, case: dict[str, Any], action: str, body: Any = None, **more: Any) -> dict[str, Any]:
        """What the responder's clinician does; gives the case as it is then."""
        path = f"/cases/{case['id']}/{action}"
        answer = await self.responder.api("POST", path, key=CLINICIAN_KEY, json=body or {}, **more)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@asynccontextmanager
async def two_sites(
    ast_database: str, responder_database: str, *, strict: bool = False, **changes: Any
) -> AsyncIterator[TwoSites]:
    """Both installations on loopback, each with a database of its own; `changes` are the requester's configuration.

    With `strict` every service on both sides refuses what it could have understood.
    """
    port = free_port()
    other = _responder_configuration(base_url=f"http://127.0.0.1:{port}/FHIR/R4")
    async with serving(_strictly(other, strict=strict), responder_database) as responder:
        remote = [{"id": id_, "ods_code": "RYE", "name": "Other"} for id_ in ANSWERED_BY.values()]
        asking = configuration(base_url=f"{responder.url}/FHIR/R4", **({"remote": remote} | changes))
        config = _strictly(asking, strict=strict)
        async with serving(config, ast_database, port=port) as ast:
            yield TwoSites(ast, responder)


def _strictly(config: ConfigFile, *, strict: bool) -> ConfigFile:
    services = [service.model_copy(update={"strict": strict}) for service in config.service]
    return config.model_copy(update={"service": services})


def _responder_configuration(*, base_url: str) -> ConfigFile:
    roles = {CAS: ("cas", "a4t1"), FALLS: ("falls", "a4t2"), COMMUNITY: ("community", "a4t3")}
    service = [
        {"id": id_, "ods_code": "RYE", "name": f"Other {role}", "role": role, "use_cases": [use_case]}
        for id_, (role, use_case) in roles.items()
    ]
    client = {"name": "clinicians", "key_sha256": key_digest(CLINICIAN_KEY), "services": [*roles]}
    remote = [{"id": EOC, "ods_code": "RX8", "name": "Test Ambulance EOC"}]
    assert CAD_KEY != CLINICIAN_KEY
    return configuration(
        base_url=base_url, service=service, remote=remote, client=[client | {"roles": ["clinician"]}], user=[]
    )


def free_port() -> int:
    """Below the range that the system gives to outgoing connections: one of those could take it before we listen."""
    for port in random.sample(range(20_000, 32_000), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("there is no free port")
