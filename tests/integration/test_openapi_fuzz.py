"""The local API against calls made from its own OpenAPI description: no 5xx, every error a problem, no trace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from cad_bridge.settings import key_digest
from tests.messages import validation_request
from tests.service import EOC, OUR_CAS, Running, configuration, request_body, serving

KEY = "test-admin-key"
ENDLESS = frozenset({"/api/v1/events/stream"})
"""Streams end only when the caller hangs up."""
EXAMPLES_OF_EACH = 5
"""For every operation and mode: the same ones in every run, so that a run takes as long as the last."""
BOUNDED = settings(
    max_examples=EXAMPLES_OF_EACH,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def _operations(running: Running) -> Iterator[Any]:
    schema = schemathesis.openapi.from_url(f"{running.url}/api/v1/openapi.json")
    for found in schema.get_all_operations():
        operation: Any = cast("Any", found).ok()
        if operation.path not in ENDLESS:
            yield operation


def _case_ids(running: Running, client: httpx.Client) -> list[str]:
    answer = client.get(f"{running.url}/api/v1/cases", headers={"Authorization": f"Bearer {KEY}"})
    return [case["id"] for case in answer.json()["cases"]]


def _fuzz(running: Running, mode: GenerationMode) -> list[str]:
    """Call every operation; gives what was wrong, one line for each."""
    wrong: list[str] = []
    with httpx.Client(timeout=60, trust_env=False) as client:
        known = _case_ids(running, client)
        for operation in _operations(running):
            _fuzz_operation(operation, mode, known, client, running.url, wrong)
    return wrong


def _fuzz_operation(
    operation: Any, mode: GenerationMode, known: list[str], client: httpx.Client, url: str, wrong: list[str]
) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @BOUNDED
    def call(case: Any) -> None:
        if "case_id" in (case.path_parameters or {}) and mode is GenerationMode.POSITIVE:
            case.path_parameters["case_id"] = known[0]
        sent = case.as_transport_kwargs(base_url=url, headers={"Authorization": f"Bearer {KEY}"})
        sent.pop("cookies", None)
        answer = _send(client, sent)
        if answer is not None and (problem := _problem(answer)):
            wrong.append(f"{operation.method.upper()} {operation.path}: {problem}: {answer.text[:300]}")

    call()


def _send(client: httpx.Client, sent: dict[str, Any]) -> httpx.Response | None:
    """The answer; None for a call that no HTTP client can make."""
    body = sent.pop("data", None)
    headers = {str(name): str(value) for name, value in dict(sent.pop("headers")).items()}
    try:
        return client.request(
            sent.pop("method"),
            sent.pop("url"),
            params=sent.pop("params", None),
            json=sent.pop("json", None),
            content=body,
            headers=headers,
        )
    except (httpx.InvalidURL, UnicodeEncodeError, httpx.LocalProtocolError):
        return None


def _problem(answer: httpx.Response) -> str | None:
    if answer.status_code >= 500:
        return f"status {answer.status_code}"
    if "Traceback" in answer.text:
        return "a stack trace"
    if answer.status_code >= 400 and answer.headers.get("content-type") != "application/problem+json":
        return "an error that is no problem document"
    return None


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "not fitting"])
async def test_no_call_breaks_the_local_api(database_url: str, mode: GenerationMode) -> None:
    clients = [{"name": "admin", "key_sha256": key_digest(KEY), "services": [EOC, OUR_CAS], "roles": ["admin"]}]
    settings_ = configuration(base_url="http://127.0.0.1:9", client=clients, user=[])
    async with serving(settings_, database_url, background=False) as running:
        answer = await running.post_message(validation_request(destination=OUR_CAS))
        assert answer.status_code == 200
        assert await asyncio.to_thread(_fuzz, running, mode) == []


HOSTILE = ["\u0000", "a\u0000b", "\ud800", "9" * 400, "-1", "1e400", "' OR 1=1 --", "%", "\\", "\u202e", "٣"]


async def test_hostile_values_in_queries_and_texts(database_url: str) -> None:
    clients = [{"name": "admin", "key_sha256": key_digest(KEY), "services": [EOC, OUR_CAS], "roles": ["admin"]}]
    settings_ = configuration(base_url="http://127.0.0.1:9", client=clients, user=[])
    async with serving(settings_, database_url, background=False) as running:
        assert (await running.post_message(validation_request(destination=OUR_CAS))).status_code == 200
        case = (await running.api("GET", "/cases", key=KEY)).json()["cases"][0]
        answers = [answer for value in HOSTILE for answer in await _with(running, case["id"], value)]
        assert [(a.status_code, str(a.request.url)) for a in answers if a.status_code >= 500] == []


async def _with(running: Running, case_id: str, value: str) -> list[httpx.Response]:
    query = "".join(f"%{byte:02x}" for byte in value.encode("utf-8", "surrogatepass"))
    reads = [f"/cases?{name}={query}" for name in ("state", "use_case", "side", "due_before", "q", "limit")]
    reads += [f"/events?after={query}", f"/events?limit={query}", f"/cases/{query}", f"/cases/{case_id}?x={query}"]
    texts = [
        (f"/cases/{case_id}/contact-attempts", {"contact": value, "note": value, "by": value}),
        (f"/cases/{case_id}/accept", {"by": value}),
        ("/validation-requests", request_body(case_number=value, presenting_complaint=value)),
        ("/subscriptions", {"url": f"http://127.0.0.1:9/{value}", "secret": value * 20, "name": value}),
    ]
    got = [await running.api("GET", path, key=KEY) for path in reads]
    for path, body in texts:
        content, headers = json.dumps(body).encode(), {"Content-Type": "application/json", "Idempotency-Key": "k"}
        got.append(await running.api("POST", path, key=KEY, content=content, headers=headers))
    return got
