"""Which answers say something of the endpoint, and what."""

from __future__ import annotations

from typing import Any

import pytest

from cad_bridge.engine.endpoint_health import says_of_endpoint
from cad_bridge.protocol.answers import Answer, Origin, Verdict, no_answer


def answer(verdict: Verdict, origin: Origin = Origin.RECEIVER, status: int | None = None) -> Answer:
    return Answer(verdict=verdict, origin=origin, advice="", http_status=status)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (answer(Verdict.DELIVERED, status=200), True),
        (answer(Verdict.DUPLICATE, status=409), True),
        (answer(Verdict.CONFLICT, status=409), True),
        (answer(Verdict.REFUSED, status=422), True),
        (no_answer(), False),
        (answer(Verdict.RETRY, status=503), False),
        (answer(Verdict.RETRY, Origin.PROXY, 504), False),
        (answer(Verdict.REFUSED, Origin.PROXY, 404), False),
        (answer(Verdict.REFUSED, Origin.PROXY, 501), False),
        (answer(Verdict.REFUSED, Origin.API, 400), None),
        (answer(Verdict.REFUSED, Origin.PROXY), None),
        (answer(Verdict.REFUSED), None),
        (answer(Verdict.RENEW_TOKEN, Origin.API, 401), None),
    ],
)
def test_what_an_answer_says_of_the_endpoint(given: Any, says: bool | None) -> None:
    assert says_of_endpoint(given) is says
