"""Before the first request a service is asked what it takes; what it does not take is refused here, in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from cad_bridge.sandbox import metadata, plans
from cad_bridge.sandbox.plans import Script
from cad_bridge.sandbox.server import CasConfig
from cad_bridge.settings import key_digest
from tests.by_hand import a_clock, by_hand_with_proxy, send_due
from tests.service import CAD_KEY, EOC, Running, with_sandbox

SILENT = Script(plans.silent())
ADMIN_KEY = "test-admin-key"


def _seen(running: Running) -> list[str]:
    assert running.sandbox is not None
    return [entry.path.rpartition("/")[2].partition("?")[0] for entry in running.sandbox.journal.entries]


@pytest.mark.req("CORE-WF-01", "CORE-CN-16", "CORE-CN-12")
async def test_a_service_is_asked_once_and_remembered(database_url: str) -> None:
    async with with_sandbox(database_url, cas=CasConfig(script=SILENT)) as running:
        for _ in range(2):
            case = await running.open_case()
            await running.state(case["id"], "pending")
        assert _seen(running) == ["metadata", "MessageDefinition", "$process-message", "$process-message"]


@pytest.mark.req("CORE-CN-17")
async def test_what_is_remembered_is_asked_for_again_after_half_a_day(database_url: str) -> None:
    clock = a_clock()
    async with by_hand_with_proxy(database_url, clock, plan=plans.silent()) as running:
        for hours, asked in ((0, 1), (11, 1), (2, 2)):
            clock.advance(timedelta(hours=hours))
            await running.open_case(breach_at=(clock() + timedelta(minutes=40)).isoformat())
            await send_due(running)
            assert _seen(running).count("metadata") == asked, f"{hours} hours later"


@pytest.mark.req("CORE-CN-17")
async def test_what_is_remembered_can_be_cleared_by_hand(database_url: str) -> None:
    clients = [
        {"name": "cad", "key_sha256": key_digest(CAD_KEY), "services": [EOC], "roles": ["cad"]},
        {"name": "admin", "key_sha256": key_digest(ADMIN_KEY), "services": [EOC], "roles": ["admin"]},
    ]
    async with with_sandbox(database_url, cas=CasConfig(script=SILENT), client=clients, user=[]) as running:
        case = await running.open_case()
        await running.state(case["id"], "pending")
        assert (await running.api("DELETE", "/negotiated")).status_code == 403
        assert (await running.api("DELETE", "/negotiated", key=ADMIN_KEY)).json() == {"forgotten": 1}
        again = await running.open_case()
        await running.state(again["id"], "pending")
        assert _seen(running).count("metadata") == 2


@pytest.mark.req("CORE-CN-18", "CORE-CN-06")
async def test_a_use_case_that_a_service_does_not_take_is_refused_here_and_nothing_is_sent(database_url: str) -> None:
    cas = CasConfig(script=SILENT, use_cases=("a4t2",))
    async with with_sandbox(database_url, cas=cas) as running:
        case = await running.open_case()
        await running.state(case["id"], "undelivered")
        assert "$process-message" not in _seen(running)
        failed = await running.event(case["id"], "delivery.failed")
        assert "cannot take this kind of request" in failed["data"]["last_error"]
        raised = await running.event(case["id"], "escalation.raised")
        assert raised["data"]["reason"] == "undeliverable"


def _without_read(statement: dict[str, Any]) -> dict[str, Any]:
    rest = [mode | {"resource": []} for mode in statement["rest"]]
    return statement | {"rest": rest}


UNSUITABLE: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "another major version of Core": ("_capability_statement", lambda found: found | {"version": "2.0.0"}),
    "no reading back": ("_capability_statement", _without_read),
    "another major version of the message": ("_message_definition", lambda found: found | {"version": "2.0.0"}),
}


def _then(
    change: Callable[[dict[str, Any]], dict[str, Any]], made: Callable[..., dict[str, Any]]
) -> Callable[..., dict[str, Any]]:
    return lambda *given, **more: change(made(*given, **more))


@pytest.mark.req("CORE-VER-02", "CORE-CN-01")
async def test_what_does_not_suit_is_seen_before_anything_is_sent(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = a_clock()
    async with by_hand_with_proxy(database_url, clock, plan=plans.silent()) as running:
        for name, change in UNSUITABLE.values():
            made = getattr(metadata, name)
            with monkeypatch.context() as other:
                other.setattr(
                    metadata, name, lambda *given, made=made, change=change, **more: change(made(*given, **more))
                )
                clock.advance(timedelta(hours=13))
                case = await running.open_case(breach_at=(clock() + timedelta(minutes=40)).isoformat())
                await send_due(running)
            failed = await running.event(case["id"], "delivery.failed")
            assert "phone" in failed["data"]["last_error"].lower()
            assert (await running.case(case["id"]))["state"] == "undelivered"
        assert "$process-message" not in _seen(running)
