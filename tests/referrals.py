"""Referrals for tests: a service that is an AST on both sides and a CAS, bodies of its CADs, and remote ASTs."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

import httpx

from cad_bridge.clock import ManualClock
from cad_bridge.fhir.build_cancellation import cancellation_bundle
from cad_bridge.fhir.build_referral import referral_bundle, referral_update_bundle
from cad_bridge.fhir.content import Request
from cad_bridge.fhir.envelope import Envelope, Party
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
    ast = {
        "id": EOC,
        "ods_code": "RX8",
        "name": "Test Ambulance EOC",
        "role": "ast",
        "use_cases": ["a3t1", *CAD_TO_CAD],
    }
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
    return (
        {"type": "incident", "status": "confirmed", "text": "1 Test Street", "lines": ["1 Test Street"]}
        | place
        | changes
    )


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
        "practitioner": {"sds_role_profile_id": "PT2489", "role": "Call handler"},
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
async def receiving(database_url: str, *, clock: ManualClock | None = None, **changes: Any) -> AsyncIterator[Running]:
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


def party(service_id: str, ods_code: str, name: str) -> Party:
    """One end of a message."""
    return Party(service_id=service_id, ods_code=ods_code, name=name)


REMOTE_PARTY = party(HOME_AST, "RX6", "North East Ambulance Service")
OUR_PARTY = party(EOC, "RX8", "Test Ambulance EOC")
OUR_CAS_PARTY = party(OUR_CAS, "RX8C", "Test CAS")


@dataclass
class RemoteSender:
    """The sender of one referral to us. Its messages are made by our own builders and read by our own readers."""

    content: Request
    envelope: Envelope
    correlation_id: str = field(default_factory=lambda: str(uuid4()))
    sent: bytes = b""

    @classmethod
    def of(cls, use_case: str = "a6t1", **changes: Any) -> RemoteSender:
        """A referral from a remote AST to ours, or a category 5 referral to our CAS."""
        receiver = OUR_CAS_PARTY if use_case == "a3t1" else OUR_PARTY
        body = {"incident_location": location(LEEDS), "journey_id": str(uuid4())} | changes
        known = referral_body(use_case, **body) | {"sender": HOME_AST, "receiver": receiver.service_id}
        return cls(content=Request.model_validate(known), envelope=_envelope(str(uuid4()), receiver))

    def new(self) -> bytes:
        """The referral itself."""
        self.sent = referral_bundle(self.content, self.envelope)
        return self.sent

    def update(self, **changes: Any) -> bytes:
        """What has been learnt since, a second later."""
        body = self.content.model_dump(mode="json", exclude_none=True) | changes
        self.content = Request.model_validate(body)
        later = self.envelope.created_at + timedelta(seconds=1)
        self.envelope = replace(self.envelope, created_at=later, message_id=str(uuid4()))
        self.sent = referral_update_bundle(self.sent, self.content, issued_ids={}, envelope=self.envelope)
        return self.sent

    def cancellation(self, status: Literal["revoked", "entered-in-error"] = "revoked") -> bytes:
        """It is no longer wanted."""
        self.envelope = replace(self.envelope, message_id=str(uuid4()))
        return cancellation_bundle(
            self.sent, issued_ids={}, status=status, reason_text="Patient found", envelope=self.envelope
        )

    async def post(self, running: Running, message: bytes) -> httpx.Response:
        """Send it past the proxy."""
        return await running.post_message(message, headers=ids(self.correlation_id))


def _envelope(bundle_id: str, receiver: Party) -> Envelope:
    return Envelope(
        bundle_id=bundle_id,
        message_id=str(uuid4()),
        created_at=datetime.now(UTC),
        sender=REMOTE_PARTY,
        receiver=receiver,
        version_id="1.1.0",
        software_name="Remote CAD",
        software_version="1",
        case_number_system="https://example.org/Id/case-number",
    )
