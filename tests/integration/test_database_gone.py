"""The database is gone: every edge says so as a fault that may pass, and health is red."""

from __future__ import annotations

import json

import pytest
from sqlalchemy.engine import make_url

from cad_bridge.store import embedded
from cad_bridge.web.board.state import COOKIE
from tests.by_hand import a_clock, by_hand, request_to_us, sweep
from tests.service import request_body


@pytest.mark.req("HAZ-H02-02", "CORE-ERR-RT-25")
async def test_without_its_database_every_edge_says_so(
    postgres: embedded.EmbeddedServer, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with by_hand(database_url, a_clock()) as running:
        await sweep(running)
        get = running.client.get
        assert (await get(f"{running.url}/health/ready")).status_code == 200
        assert "cad_bridge_database_up 1.0" in (await get(f"{running.url}/metrics")).text
        name = make_url(database_url).database
        assert name is not None
        embedded.drop_database(postgres, name)
        for path in ("/health/ready", "/health/failsafe"):
            health = await get(f"{running.url}{path}")
            assert (health.status_code, health.json()["faults"]) == (503, ["the database does not answer"])
        metrics = await get(f"{running.url}/metrics")
        assert metrics.status_code == 200
        assert "cad_bridge_database_up 0.0" in metrics.text
        assert "cad_bridge_sweep_failures 0.0" in metrics.text
        assert (await get(f"{running.url}/health/live")).status_code == 200

        refused = await running.api("POST", "/validation-requests", json=request_body())
        assert refused.status_code == 503
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["retry-after"] == "1"
        assert refused.json()["title"] == "The database does not answer"
        message = await running.post_message(request_to_us())
        assert message.status_code == 500
        assert message.json()["issue"][0]["code"] == "no-store"
        running.client.cookies.set(COOKIE, "somebody's")
        page = await get(f"{running.url}/board")
        assert page.status_code == 503
        assert "Act on what your CAD shows" in page.text
        assert json.dumps(request_body()["patient"]["name"]["family"]) not in caplog.text
