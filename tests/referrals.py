"""Referrals for tests: a service that is an AST on both sides and a CAS, bodies of its CADs, and remote ASTs."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from cad_bridge.clock import ManualClock
from cad_bridge.sandbox.plans import Plan, Script
from cad_bridge.sandbox.proxy import ProxySettings
from cad_bridge.sandbox.server import DEMO_AST, AstConfig, SandboxConfig, start_sandbox
from cad_bridge.settings import ConfigFile, key_digest
from tests.service import CAD_KEY, CLINICIAN_KEY, DOS, EOC, OUR_CAS, Running, configuration, request_body, serving
from tests.shared_material import SHARED

REQUESTS = SHARED / "bars" / "examples" / "requests"
HOME_AST = DEMO_AST.service_id
"""North East: the sandbox's AST."""
OTHER_AST = f"{DOS}|2000000014"
"""North West: known by name, answered by nobody."""
REMOTE_CAS = f"{DOS}|2000000021"
NOWHERE = "http://127.0.0.1:9"
CAD_TO_CAD = ("a6t1", "a6t2", "a6t3")
LEEDS = {"latitude": 53.7975, "longitude": -1.5436, "easting": 430160, "northing": 433562, "postcode": "LS1 4AP"}
NEWCASTLE = {"latitude": 54.9738, "longitude": -1.6131, "easting": 424864, "northing": 564422, "postcode": "NE1 3PA"}


def referral_configuration(*, base_url: str = NOWHERE, **changes: Any) -> ConfigFile:
    """An AST for Yorkshire and a CAS, and the services that they may refer to."""
    known = configuration(base_url=base_url)
    ast = {"id": EOC, "ods_code": "RX8", "name": "Test Ambulance EOC", "role": "ast", "use_cases": ["a3t1", *CAD_TO_CAD]}
    cas = {"id": OUR_CAS, "ods_code": "RX8C", "name": "Test CAS", "role": "cas", "use_cases": ["a3t1"]}
    values: dict[str, Any] = {
        "service": [ast, cas],
        "remote": [
            {"id": HOME_AST, "ods_code": "RX6", "name": "North East Ambulance Service", "use_cases": list(CAD_TO_CAD)},
            {"id": OTHER_AST, "ods_code": "RX7", "name": "North West Ambulance Service", "use_cases": list(CAD_TO_CAD)},
            {"id": REMOTE_CAS, "ods_code": "RYE", "name": "Remote CAS", "use_cases": ["a3t1"]},
        ],
        "bars": {"base_url": base_url, "timeout_seconds": 5},
        "client": [
            {"name": "eoc-cad", "key_sha256": key_digest(CAD_KEY), "services": [EOC], "roles": ["cad"]},
            {"name": "cas", "key_sha256": key_digest(CLINICIAN_KEY), "services": [OUR_CAS], "roles": ["clinician"]},
        ],
    }
    return ConfigFile.model_validate(known.model_dump(include={"user", "board", "software"}) | values | changes)


def location(place: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An incident location, confirmed."""
    return {"type": "incident", "status": "confirmed", "text": "1 Test Street", "lines": ["1 Test Street"]} | place | changes


def referral_body(use_case: str = "a6t1", **changes: Any) -> dict[str, Any]:
    """A triaged referral in the CAD's own terms, of a person who does not exist."""
    now = datetime.now(UTC)
    place = NEWCASTLE if use_case == "a6t1" else LEEDS
    body = request_body(use_case=use_case, receiver=None if use_case == "a6t1" else HOME_AST)
    del body["breach_at"]
    body |= {"incident_location": location(place), "requested_action": "Please attend"}
    if use_case == "a3t1":
        body |= {"receiver": REMOTE_CAS, "breach_at": (now + timedelta(hours=2)).isoformat()}
        body["triage"] = body["triage"] | {"arp": "C5"}
    return body | changes


def early_body(**changes: Any) -> dict[str, Any]:
    """What is known straight after the pre-triage sieve of an arrest: where, and that nobody breathes."""
    now = datetime.now(UTC)
    body = {
        "use_case": "a6t1",
        "sender": EOC,
        "case_number": f"TST-{uuid4().hex[:10]}",
        "clock_start": now.isoformat(),
        "timings": {"call_connect": (now - timedelta(seconds=20)).isoformat()},
        "incident_location": {"type": "incident", "status": "provisional", **NEWCASTLE},
        "triage": {"pre_triage_sieve": {"breathing": False}},
        "consent": {"date": now.date().isoformat()},
        "practitioner": {"local_identifier": {"value": "EMD-7"}, "role": "Call handler"},
    }
    return body | changes


async def refer(running: Running, use_case: str = "a6t1", **changes: Any) -> dict[str, Any]:
    """Open a referral and give the case."""
    answer = await running.api("POST", "/referrals", json=referral_body(use_case, **changes))
    assert answer.status_code == 201, answer.text
    case: dict[str, Any] = answer.json()
    return case


@asynccontextmanager
async def referring(
    database_url: str, *, plan: Plan, clock: ManualClock | None = None, background: bool = True, **changes: Any
) -> AsyncIterator[Running]:
    """A service whose messages go through the sandbox's proxy to a simulated AST that follows `plan`."""
    config = SandboxConfig(
        proxy=ProxySettings(require_token=False), cas=(), asts=(AstConfig(script=Script(plan)),), requesters=()
    )
    async with start_sandbox(config) as sandbox:
        settings = referral_configuration(base_url=sandbox.proxy_url, **changes)
        async with serving(settings, database_url, clock=clock, background=background) as running:
            running.sandbox = sandbox
            for service in running.service.engine.site.services:
                sandbox.route(service, f"{running.url}/FHIR/R4")
            yield running


@asynccontextmanager
async def receiving(
    database_url: str, *, clock: ManualClock | None = None, **changes: Any
) -> AsyncIterator[Running]:
    """A service that others refer to; nothing answers what it sends, and its loops stand still."""
    async with serving(referral_configuration(**changes), database_url, clock=clock, background=False) as running:
        yield running


def official(name: str, *, destination: str = EOC) -> dict[str, Any]:
    """An official message, unchanged but for its addressing."""
    found = next(REQUESTS.glob(f"{name}-*.json"))
    bundle: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    return readdressed(bundle, destination=destination)


def readdressed(bundle: dict[str, Any], *, destination: str) -> dict[str, Any]:
    """The same message to another service."""
    changed = copy.deepcopy(bundle)
    for entry in changed["entry"]:
        if entry["resource"]["resourceType"] == "MessageHeader":
            entry["resource"]["destination"][0]["endpoint"] = destination
    return changed


def ids(correlation_id: str | None = None) -> dict[str, str]:
    """Headers of one message of a conversation."""
    return {"X-Request-Id": str(uuid4()), "X-Correlation-Id": correlation_id or str(uuid4())}
