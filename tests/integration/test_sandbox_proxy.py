"""The simulated proxy over real HTTP: tokens, admission, routing, journal, control pages."""

from __future__ import annotations

import base64
import socket
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from cad_bridge.sandbox import plans
from cad_bridge.sandbox.clock import ManualClock
from cad_bridge.sandbox.connections import LoopbackServer
from cad_bridge.sandbox.credentials import ASSERTION_TYPE, ClientRegistration, new_credentials
from cad_bridge.sandbox.identity import DOS_SERVICE_ID
from cad_bridge.sandbox.proxy import ProxySettings, create_proxy
from cad_bridge.sandbox.server import DEMO_CAS, SandboxConfig, start_sandbox
from tests.unit.sandbox.world import CLIENT_ID, EOC, NOW, a_validation_request, a_world, code_of

CAS = DEMO_CAS.service_id
CREDENTIALS = new_credentials("signing-client")


async def test_signed_assertion_gets_a_token_that_opens_the_proxy() -> None:
    config = SandboxConfig(proxy=ProxySettings(clients=(CREDENTIALS.registration,)))
    async with start_sandbox(config) as sandbox, httpx.AsyncClient(trust_env=False) as http:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": CREDENTIALS.assertion(audience=sandbox.token_url, now=datetime.now(UTC)),
        }
        token = (await http.post(sandbox.token_url, data=form)).json()
        replayed = await http.post(sandbox.token_url, data=form)
        ids = {"X-Request-Id": str(uuid.uuid4()), "X-Correlation-Id": str(uuid.uuid4())}
        opened = await http.get(
            f"{sandbox.proxy_url}/metadata", headers=ids | {"Authorization": f"Bearer {token['access_token']}"}
        )
    assert (token["token_type"], token["expires_in"]) == ("Bearer", "599")
    assert (replayed.status_code, replayed.json()["error_description"]) == (400, "Non-unique jti claim in JWT")
    assert opened.status_code == 200
    assert opened.json()["resourceType"] == "CapabilityStatement"
    assert opened.headers["x-request-id"] == ids["X-Request-Id"]


async def test_lenient_mode_still_wants_a_registered_client() -> None:
    async with a_world() as eoc:
        form = {"grant_type": "client_credentials", "client_id": "nobody"}
        answer = await eoc.http.post(eoc.sandbox.token_url, data=form)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_tokens_expire() -> None:
    clock = ManualClock()
    async with a_world(clock=clock) as eoc:
        headers = await eoc.headers(CAS)
        url = f"{eoc.sandbox.proxy_url}/metadata"
        before = await eoc.http.get(url, headers=headers)
        clock.advance(600)
        after = await eoc.http.get(url, headers=headers)
    assert before.status_code == 200
    assert (after.status_code, code_of(after.json())) == (401, ("SEND_UNAUTHORIZED", "expired"))


async def test_a_client_without_bars_is_forbidden() -> None:
    settings = ProxySettings(clients=(ClientRegistration("shut-out", bars_enabled=False),), lenient=True)
    async with start_sandbox(SandboxConfig(proxy=settings)) as sandbox, httpx.AsyncClient(trust_env=False) as http:
        form = {"grant_type": "client_credentials", "client_id": "shut-out"}
        token = (await http.post(sandbox.token_url, data=form)).json()["access_token"]
        answer = await http.get(f"{sandbox.proxy_url}/metadata", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, code_of(answer.json())) == (403, ("SEND_FORBIDDEN", "forbidden"))


async def test_an_open_proxy_needs_no_token() -> None:
    settings = ProxySettings(require_token=False)
    async with start_sandbox(SandboxConfig(proxy=settings)) as sandbox, httpx.AsyncClient(trust_env=False) as http:
        ids = {"X-Request-Id": str(uuid.uuid4()), "X-Correlation-Id": str(uuid.uuid4())}
        answer = await http.get(f"{sandbox.proxy_url}/metadata", headers=ids)
    assert answer.status_code == 200


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"Authorization": ""}, 401, ("SEND_UNAUTHORIZED", "login")),
        ({"Authorization": "Bearer made-up"}, 401, ("SEND_UNAUTHORIZED", "security")),
        ({"X-Request-Id": ""}, 400, ("SEND_BAD_REQUEST", "required")),
        ({"X-Correlation-Id": "abc"}, 400, ("PROXY_BAD_REQUEST", "invalid")),
        ({"NHSD-Target-Identifier": "%%%"}, 400, ("PROXY_BAD_REQUEST", "structure")),
        ({"NHSD-Target-Identifier": _encoded("abc")}, 400, ("PROXY_BAD_REQUEST", "structure")),
        ({"NHSD-Target-Identifier": _encoded('{"system":"x"}')}, 400, ("PROXY_BAD_REQUEST", "structure")),
        (
            {"NHSD-Target-Identifier": _encoded('{"system":"https://fhir.nhs.uk/Id/dos-service-id","value":"1"}')},
            404,
            ("PROXY_NOT_FOUND", "not-found"),
        ),
    ],
)
async def test_refuses_as_the_failure_tables_say(changed: dict[str, str], status: int, code: tuple[str, str]) -> None:
    async with a_world(plan=plans.silent()) as eoc:
        answer = await eoc.send(a_validation_request(CAS), target=CAS, **changed)
        assert eoc.sandbox.cas.arrivals == []
        journalled = eoc.sandbox.journal.entries[-1]
    assert (answer.status_code, code_of(answer.json())) == (status, code)
    assert (journalled.status, journalled.target_statuses) == (status, ())


async def test_a_missing_target_is_required_except_on_metadata() -> None:
    async with a_world() as eoc:
        headers = await eoc.headers(CAS)
        del headers["NHSD-Target-Identifier"]
        read = await eoc.http.get(f"{eoc.sandbox.proxy_url}/ServiceRequest/{uuid.uuid4()}", headers=headers)
        metadata = await eoc.http.get(f"{eoc.sandbox.proxy_url}/metadata", headers=headers)
        wrong_verb = await eoc.http.get(f"{eoc.sandbox.proxy_url}/$process-message", headers=headers)
    assert (read.status_code, code_of(read.json())) == (400, ("SEND_BAD_REQUEST", "required"))
    assert metadata.json()["title"] == "BaRS API proxy (sandbox)"
    assert (wrong_verb.status_code, code_of(wrong_verb.json())) == (405, ("SEND_METHOD_NOT_ALLOWED", "not-supported"))


async def test_forwards_the_bytes_and_only_the_headers_of_the_standard() -> None:
    async with a_world(plan=plans.silent()) as eoc:
        body = b'{ "resourceType":"Bundle",\n "type" : "message", "entry": [], "n": 1.50 }'
        answer = await eoc.send(body, target=EOC.service_id, **{"use-context": "a|b|c|d", "X-Secret": "no"})
        headers = eoc.received[0][0]
    assert eoc.raw == [body]
    assert answer.content == body
    assert headers["use-context"] == "a|b|c|d"
    assert "authorization" not in headers
    assert "x-secret" not in headers


async def test_journal_keeps_both_bodies_and_no_token() -> None:
    async with a_world(plan=plans.silent()) as eoc:
        request = a_validation_request(CAS)
        answer = await eoc.send(request, target=CAS)
        entry = eoc.sandbox.journal.entries[0]
        page = (await eoc.http.get(f"{eoc.sandbox.control_url}/journal")).json()
        rest = (await eoc.http.get(f"{eoc.sandbox.control_url}/journal?after={page['next']}")).json()
    assert (entry.method, entry.path, entry.service, entry.status) == ("POST", "/FHIR/R4/$process-message", CAS, 200)
    assert entry.response_body == answer.content
    assert entry.request_headers["authorization"] == "Bearer"
    assert page["entries"][0]["request"]["body"]["data"].encode() == entry.request_body
    assert rest == {"entries": [], "next": 1}


@pytest.mark.parametrize(
    ("injected", "down", "slow"),
    [
        ("proxy", (503, ("PROXY_UNAVAILABLE", "transient")), (504, ("PROXY_TIMEOUT", "timeout"))),
        ("receiver", (503, ("REC_SERVICE_UNAVAILABLE", "transient")), (408, ("REC_TIMEOUT", "timeout"))),
    ],
)
async def test_reports_targets_that_are_down_or_slow(injected: Any, down: Any, slow: Any) -> None:
    settings = ProxySettings(target_timeout=0.05, injected_codes=injected)
    async with a_world(settings=settings) as eoc:
        with socket.socket() as nobody_accepts:
            nobody_accepts.bind(("127.0.0.1", 0))
            closed_port = nobody_accepts.getsockname()[1]
            nobody_accepts.listen(1)
            eoc.sandbox.route(EOC.service_id, f"http://127.0.0.1:{closed_port}/FHIR/R4")
            late = await eoc.send(b"{}", target=EOC.service_id)
        refused = await eoc.send(b"{}", target=EOC.service_id)
    assert (late.status_code, code_of(late.json())) == slow
    assert (refused.status_code, code_of(refused.json())) == down


async def test_routes_and_faults_can_be_set_over_http() -> None:
    other = f"{DOS_SERVICE_ID}|2099999999"
    async with a_world() as eoc:
        control = eoc.sandbox.control_url
        target = eoc.sandbox.proxy.routes[EOC.service_id]
        routed = await eoc.http.put(f"{control}/routes", json={"service": other, "base_url": target})
        faulty = await eoc.http.post(f"{control}/faults", json={"service": other, "kind": "status", "status": 429})
        unknown = await eoc.http.post(f"{control}/faults", json={"service": other, "kind": "gremlins"})
        first = await eoc.send(b"{}", target=other)
        second = await eoc.send(b"{}", target=other)
        routes = (await eoc.http.get(f"{control}/routes")).json()
    assert [routed.status_code, faulty.status_code, unknown.status_code] == [204, 204, 422]
    assert [first.status_code, second.status_code] == [429, 200]
    assert routes[other] == target


async def test_a_proxy_can_be_served_alone() -> None:
    app = create_proxy(ProxySettings(clients=(ClientRegistration(CLIENT_ID),), lenient=True), clock=ManualClock(NOW))
    server = LoopbackServer(host="127.0.0.1", port=0)
    server.start(app)
    async with httpx.AsyncClient(trust_env=False) as http:
        form = {"grant_type": "client_credentials", "client_id": CLIENT_ID}
        answer = await http.post(f"{server.url}/oauth2/token", data=form)
    await server.stop()
    await app.state.proxy.aclose()
    token = app.state.proxy.tokens.find(answer.json()["access_token"])
    assert token.expires_at == NOW + timedelta(seconds=599)
