"""Cancellations: small, whole, and saying why."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
import pytest

from cad_bridge.fhir.build_cancellation import cancellation_bundle
from cad_bridge.fhir.build_request import request_bundle
from cad_bridge.fhir.structure import check_structure
from tests.contents import LATER, envelope, newer, only, plain_request, references, target, urls

NHS = "https://fhir.nhs.uk"
MESSAGE = orjson.loads(request_bundle(plain_request(), envelope()))


def cancelled(status: str = "revoked", **changes: Any) -> dict[str, Any]:
    raw = request_bundle(plain_request(), envelope())
    given_: dict[str, Any] = {
        "issued_ids": {},
        "reason_text": "Ambulance sent",
        "envelope": envelope(message=3, at=LATER),
    }
    return orjson.loads(cancellation_bundle(raw, status=status, **(given_ | changes)))


@pytest.mark.req("CORE-CAN-04", "APP4-VR-17")
def test_a_cancellation_is_an_update_with_its_own_definition() -> None:
    bundle = cancelled()
    header = only(bundle, "MessageHeader")

    assert header["eventCoding"]["code"] == "servicerequest-request"
    assert header["reason"]["coding"][0]["code"] == "update"
    assert header["definition"] == f"{NHS}/MessageDefinition/bars-message-servicerequest-request-cancelled"
    assert target(bundle, header["focus"][0]) == only(bundle, "ServiceRequest")
    assert bundle["id"] == MESSAGE["id"]


@pytest.mark.parametrize("status", ["revoked", "entered-in-error"])
@pytest.mark.req("CORE-CAN-05", "CORE-CAN-08")
def test_a_cancellation_says_in_which_way_and_why(status: str) -> None:
    service_request = only(cancelled(status), "ServiceRequest")

    assert service_request["status"] == status
    assert service_request["reasonCode"] == [{"text": "Ambulance sent"}]
    assert "reasonCode" not in only(MESSAGE, "ServiceRequest")


@pytest.mark.req("CORE-CAN-09")
def test_a_cancellation_is_small_and_whole() -> None:
    bundle = cancelled()

    assert Counter(entry["resource"]["resourceType"] for entry in bundle["entry"]) == {
        "MessageHeader": 1,
        "ServiceRequest": 1,
        "Patient": 1,
        "Organization": 2,
    }
    assert set(references(bundle)) <= urls(bundle)
    assert check_structure(orjson.dumps(bundle)).issues == ()


@pytest.mark.req("CORE-SYNC-05", "CORE-BND-04")
def test_a_cancellation_carries_the_issued_ids_and_changes_only_the_request() -> None:
    url = only(MESSAGE, "MessageHeader")["focus"][0]["reference"]
    bundle = cancelled(issued_ids={url: "their-id"})

    assert only(bundle, "ServiceRequest")["id"] == "their-id"
    assert newer(MESSAGE, bundle) == ["MessageHeader", "ServiceRequest"]


@pytest.mark.req("CORE-UPD-11")
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_cancellation_sends_back_the_request_as_it_was_read(wrapped: bool) -> None:
    read_back = {
        "resourceType": "ServiceRequest",
        "id": "their-id",
        "status": "active",
        "subject": {"reference": "Patient/their-patient"},
        "priority": "urgent",
        "quantityQuantity": {"value": 1.50},
    }
    text = orjson.dumps(read_back).replace(b'"value":1.5', b'"value":1.50')
    answer = b'{"resourceType":"Bundle","entry":[{"resource":' + text + b"}]}" if wrapped else text
    raw = cancellation_bundle(
        request_bundle(plain_request(), envelope()),
        issued_ids={},
        status="revoked",
        reason_text="x",
        envelope=envelope(message=3, at=LATER),
        current=answer,
    )
    service_request = only(orjson.loads(raw), "ServiceRequest")

    assert (service_request["id"], service_request["priority"], service_request["status"]) == (
        "their-id",
        "urgent",
        "revoked",
    )
    assert b'"value":1.50' in raw
    assert service_request["subject"] == only(MESSAGE, "ServiceRequest")["subject"]


def test_nothing_can_be_cancelled_without_a_request() -> None:
    with pytest.raises(ValueError, match="ServiceRequest"):
        cancellation_bundle(b'{"entry":[]}', issued_ids={}, status="revoked", reason_text="x", envelope=envelope())
