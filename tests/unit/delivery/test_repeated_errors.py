"""Who is to be told that another party's errors repeat, and what the log says of a failed call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from cad_bridge.delivery.calls import BarsCalls
from cad_bridge.delivery.repeated_errors import IN_A_ROW, RepeatedErrors
from cad_bridge.delivery.transport import Transport
from cad_bridge.protocol.answers import Answer, Origin, Verdict

SERVICE = "https://fhir.nhs.uk/Id/dos-service-id|2000000021"
IDS = {
    "X-Request-Id": "0c2bb1a6-25e0-45d5-8a3f-4a2b7b4f5f01",
    "X-Correlation-Id": "1c2bb1a6-25e0-45d5-8a3f-4a2b7b4f5f01",
}


def _answer(origin: Origin, verdict: Verdict = Verdict.REFUSED, status: int | None = 400) -> Answer:
    return Answer(verdict=verdict, origin=origin, http_status=status, code="REC_BAD_REQUEST", advice="")


@pytest.mark.req("CORE-ERR-16")
@pytest.mark.parametrize(
    ("origin", "whom"), [(Origin.RECEIVER, "the receiver"), (Origin.PROXY, "NHS England: the BaRS proxy")]
)
def test_repeated_errors_say_whom_to_tell(caplog: pytest.LogCaptureFixture, origin: Origin, whom: str) -> None:
    repeated = RepeatedErrors()
    for _ in range(IN_A_ROW - 1):
        repeated.note(SERVICE, _answer(origin))
    assert caplog.records == []
    repeated.note(SERVICE, _answer(origin))
    (record,) = caplog.records
    said = vars(record)
    assert (record.levelno, said["service"], said["contact"], said["in_a_row"]) == (logging.ERROR, SERVICE, whom, 5)


@pytest.mark.req("CORE-ERR-16")
def test_a_success_between_and_faults_of_our_own_count_for_nothing(caplog: pytest.LogCaptureFixture) -> None:
    repeated = RepeatedErrors()
    for count in range(IN_A_ROW * 3):
        repeated.note(SERVICE, _answer(Origin.API))
        repeated.note(SERVICE, _answer(Origin.NETWORK, Verdict.RETRY, None))
        repeated.note(f"{SERVICE}{count}", _answer(Origin.RECEIVER))
        repeated.note(SERVICE, _answer(Origin.RECEIVER))
        repeated.note(SERVICE, _answer(Origin.RECEIVER, Verdict.DELIVERED, 200))
    assert caplog.records == []


@pytest_asyncio.fixture
async def plain_port() -> AsyncIterator[int]:
    """A port where nobody speaks TLS."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.req("CORE-TI-19")
async def test_a_tls_failure_is_logged_with_ids_target_and_cause(
    plain_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with Transport(timeout_seconds=5) as transport:
        calls = BarsCalls(transport, base_url=f"https://127.0.0.1:{plain_port}/FHIR/R4", tokens=None)
        called = await calls.get("/ServiceRequest?patient:identifier=secret", IDS)
    assert called.answer.verdict is Verdict.RETRY
    (record,) = [found for found in caplog.records if found.getMessage() == "no answer"]
    said = vars(record)
    assert (said["request_id"], said["correlation_id"]) == tuple(IDS.values())
    assert said["host"] == f"127.0.0.1:{plain_port}"
    assert "TLS" in said["error"]
    assert "secret" not in str(said)


@pytest.mark.req("CORE-TI-19")
async def test_a_refused_connection_is_logged_as_what_it_is(caplog: pytest.LogCaptureFixture) -> None:
    async with Transport(timeout_seconds=5) as transport:
        await BarsCalls(transport, base_url="http://127.0.0.1:9", tokens=None).get("/metadata", IDS)
    assert "ECONNREFUSED" in vars(caplog.records[-1])["error"]
