"""Which received cases a later message may mean (decision 7), in one look at the database."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text

from cad_bridge.store import queries
from tests.by_hand import a_clock, by_hand
from tests.service import OUR_CAS, REMOTE_CAS, Running

URL = "urn:uuid:0b1e5a52-7c6f-4a0e-9d0c-6a3b6e2f1a01"
RECEIVED = text(
    "UPDATE cases SET side = 'responder', local_service = :local, remote_service = :remote, "
    "service_request_id = :issued, correlation_id = :correlation, service_request_full_url = :url WHERE id = :id"
)


async def received(running: Running, *, issued: str, correlation: str, url: str, remote: str = REMOTE_CAS) -> UUID:
    case = await running.open_case(case_number=issued + remote[-1] + correlation)
    values = {"issued": issued, "correlation": correlation, "url": url, "remote": remote}
    async with running.service.engine.database.begin() as connection:
        await connection.execute(RECEIVED, values | {"local": OUR_CAS, "id": UUID(case["id"])})
    return UUID(case["id"])


async def meant(running: Running, **named: Any) -> list[UUID]:
    names = {"service_request_id": None, "correlation_id": "none", "full_url": None} | named
    async with running.service.engine.database.connect() as connection:
        found = await queries.responder_cases(connection, local_service=OUR_CAS, remote_service=REMOTE_CAS, **names)
    return [stored.id for stored in found]


async def test_only_the_best_kind_of_match_counts(database_url: str) -> None:
    async with by_hand(database_url, a_clock()) as running:
        first = await received(running, issued="id-1", correlation="c-1", url=URL)
        second = await received(running, issued="id-2", correlation="c-2", url=URL)
        await received(running, issued="id-1", correlation="c-1", url=URL, remote=f"{REMOTE_CAS}9")

        by_id = {"service_request_id": "id-1", "correlation_id": "c-2", "full_url": URL}
        assert await meant(running, **by_id) == [first]
        assert await meant(running, correlation_id="c-1", full_url=URL) == [first]
        assert set(await meant(running, correlation_id="c-9", full_url=URL)) == {first, second}
        assert await meant(running, correlation_id="c-1", full_url="urn:uuid:other") == []
        assert await meant(running, service_request_id="id-9", correlation_id="c-1") == []
