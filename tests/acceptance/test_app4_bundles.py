"""A CAD that makes its own BaRS messages: checked like received ones, sent byte for byte, guarded like any other."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from cad_bridge.sandbox import validation_requests as raw
from cad_bridge.sandbox.identity import ServiceIdentity
from cad_bridge.sandbox.synthetic import PEOPLE
from tests.service import CLINICIAN_KEY, EOC, Running, configuration, request_body
from tests.two_sites import ANSWERED_BY, CAS, TwoSites, two_sites

OUR_CAD = ServiceIdentity(EOC, "RX8", "Test Ambulance EOC")
FHIR = {"Content-Type": "application/fhir+json"}


def message(*, use_case: str = "a4t1", breach_in: timedelta = timedelta(minutes=40), **changes: Any) -> dict[str, Any]:
    """A request as a CAD of another make writes it: by the sandbox, which shares no line with the service."""
    now = datetime.now(UTC)
    case = raw.ValidationCase(
        use_case=use_case,
        case_number=f"OWN-{now:%H%M%S%f}",
        person=PEOPLE[0],
        summary="Palpitations",
        call_connect=now - timedelta(minutes=8),
        clock_start=now - timedelta(minutes=4),
        breach_at=now + breach_in,
    )
    return raw.validation_request(case, source=OUR_CAD, target=changes.get("target", ANSWERED_BY[use_case]), now=now)


async def post(running: Running, body: bytes | dict[str, Any], **headers: str) -> httpx.Response:
    """Give it to our service."""
    content = body if isinstance(body, bytes) else json.dumps(body, indent=1).encode()
    return await running.api("POST", "/validation-requests", content=content, headers=FHIR | headers)


async def _opened(sites: TwoSites, body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    answer = await post(sites.ast, body)
    assert answer.status_code == 201, answer.text
    return await sites.held(answer.json()["id"])


def _resource(bundle: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind)
    return found


async def _sent(running: Running, case: dict[str, Any], kind: str) -> bytes:
    messages = (await running.api("GET", f"/cases/{case['id']}/messages")).json()["messages"]
    return base64.b64decode(next(item["body_base64"] for item in messages if item["kind"] == kind))


@pytest.mark.parametrize("use_case", ["a4t1", "a4t2", "a4t3"])
async def test_a_ready_message_is_sent_byte_for_byte_and_guarded(
    database_url: str, second_database_url: str, use_case: str
) -> None:
    # Spaces and line ends that no serialiser of ours would write.
    body = json.dumps(message(use_case=use_case), indent=3).replace("\n", "\r\n").encode()
    async with two_sites(database_url, second_database_url) as sites:
        asked, held = await _opened(sites, body)
        assert await _sent(sites.ast, asked, "request") == body
        assert asked["deadlines"][0]["kind"] == "breach"
        assert asked["content"]["triage"]["summary"] == held["content"]["triage"]["summary"]
        assert held["journey_id"] == asked["journey_id"]
        await sites.answer(held, "accept")
        if use_case == "a4t1":
            await sites.answer(held, "start")
        await sites.ast.state(asked["id"], "in_progress")


@pytest.mark.parametrize("by_message", [False, True])
async def test_a_case_of_a_ready_message_is_updated_by_one_and_cancelled(
    database_url: str, second_database_url: str, by_message: bool
) -> None:
    known = message()
    async with two_sites(database_url, second_database_url) as sites:
        asked, held = await _opened(sites, json.dumps(known).encode())
        for entry in known["entry"]:
            issued = asked["issued_ids"].get(entry["fullUrl"])
            entry["resource"] |= {"id": issued} if issued else {}
        changed = raw.update_request(known, summary="Now dizzy", breach_at=None, now=datetime.now(UTC))
        # The sandbox numbers its bundles anew; an update keeps the Bundle.id of its request.
        changed["id"] = known["id"]
        update = f"/cases/{asked['id']}/update"
        answer = await sites.ast.api("POST", update, content=json.dumps(changed).encode(), headers=FHIR)
        assert answer.status_code == 202, answer.text
        told = await sites.ast.event(asked["id"], "case.updated")
        assert told["data"]["update"] == "taken"
        assert await _sent(sites.ast, asked, "update") == json.dumps(changed).encode()
        held = await sites.responder.case(held["id"], key=CLINICIAN_KEY)
        assert held["content"]["triage"]["summary"] == "Now dizzy"
        over = raw.cancellation(known, status="revoked", reason="Called back", now=datetime.now(UTC)) | {
            "id": known["id"]
        }
        own = json.dumps(over, indent=2).encode()
        given: dict[str, Any] = {"content": own, "headers": FHIR} if by_message else {"json": {"reason": "Called back"}}
        cancelled = await sites.ast.api("POST", f"/cases/{asked['id']}/cancel", **given)
        assert cancelled.status_code == 202, cancelled.text
        await sites.responder.state(held["id"], "cancelled", key=CLINICIAN_KEY)
        assert (await _sent(sites.ast, asked, "cancellation") == own) is by_message


async def test_a_repeat_with_the_same_key_makes_no_second_case(database_url: str, second_database_url: str) -> None:
    body = json.dumps(message()).encode()
    async with two_sites(database_url, second_database_url) as sites:
        first = await post(sites.ast, body, **{"Idempotency-Key": "k-1"})
        again = await post(sites.ast, body, **{"Idempotency-Key": "k-1"})
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.json()["id"] == first.json()["id"]
        twin = await post(sites.ast, body)
        assert twin.status_code == 409
        assert twin.json()["errors"][0]["path"] == "Bundle.id"


def _without_phone(bundle: dict[str, Any]) -> None:
    _resource(bundle, "Patient").pop("contact", None)
    _resource(bundle, "Patient").pop("telecom", None)


def _to_nobody(bundle: dict[str, Any]) -> None:
    _resource(bundle, "MessageHeader")["source"]["endpoint"] = CAS


def _in_the_past(bundle: dict[str, Any]) -> None:
    _resource(bundle, "ServiceRequest")["occurrencePeriod"]["end"] = "2020-01-01T00:00:00+00:00"


def _a_number_for_a_text(bundle: dict[str, Any]) -> None:
    _resource(bundle, "Patient")["gender"] = "Secretly 42"


def _of_an_unknown_definition(bundle: dict[str, Any]) -> None:
    _resource(bundle, "MessageHeader")["definition"] = "https://example.org/MessageDefinition/own"


@pytest.mark.parametrize(
    ("spoil", "path"),
    [
        (_of_an_unknown_definition, "definition"),
        (_without_phone, "contact"),
        (_to_nobody, "source.endpoint"),
        (_in_the_past, "occurrence.end"),
        (_a_number_for_a_text, "gender"),
    ],
)
async def test_what_a_receiver_would_refuse_is_refused_with_its_path(
    database_url: str, second_database_url: str, spoil: Any, path: str
) -> None:
    bundle = message()
    spoil(bundle)
    async with two_sites(database_url, second_database_url) as sites:
        answer = await post(sites.ast, bundle)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert any(path in error["path"] for error in answer.json()["errors"]), answer.text
        assert "Secretly" not in answer.text
        assert (await sites.ast.api("GET", "/cases")).json()["cases"] == []


@pytest.mark.req("APP4-VR-10")
async def test_what_local_rules_send_straight_to_dispatch_is_not_sent_for_validation(
    database_url: str, second_database_url: str
) -> None:
    service = [item.model_dump(mode="json") for item in configuration(base_url="http://x").service]
    service[0]["policy"] = {"validated": ["C4"]}
    async with two_sites(database_url, second_database_url, service=service) as sites:
        plain = await sites.ast.api("POST", "/validation-requests", json=request_body(receiver=CAS))
        ready = await post(sites.ast, message())
        for answer, path in ((plain, "triage.arp"), (ready, "CarePlan")):
            assert answer.status_code == 422, answer.text
            assert path in answer.json()["errors"][0]["path"]
        assert (await sites.ast.api("GET", "/cases")).json()["cases"] == []


async def test_plain_json_cannot_update_what_a_message_opened(database_url: str, second_database_url: str) -> None:
    async with two_sites(database_url, second_database_url) as sites:
        asked, _ = await _opened(sites, json.dumps(message()).encode())
        answer = await sites.ast.api("POST", f"/cases/{asked['id']}/update", json=request_body(receiver=CAS))
        assert answer.status_code == 409
