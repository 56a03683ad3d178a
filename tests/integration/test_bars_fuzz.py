"""Mutated headers and bodies against the BaRS side: a precise answer always, never a 5xx, never a value echoed.

Seeded by `derandomize`, so that a run in CI means the same as one at a desk.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import httpx
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import messages
from tests.service import OUR_CAS, Running, configuration, serving

CANARY = "Zebedee-9990548609"
BASE = messages.validation_request(destination=OUR_CAS)
BOUNDED = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest_asyncio.fixture
async def running(database_url: str) -> AsyncIterator[Running]:
    async with serving(configuration(base_url="http://127.0.0.1:9"), database_url, background=False) as service:
        yield service


Path = tuple[str | int, ...]


def _places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in a message."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield from _places(item, (*path, key))


PLACES = list(_places(BASE))[1:]
HOSTILE: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [
            CANARY,
            f"urn:uuid:{CANARY}",
            f"2026-01-01T00:00:00Z{CANARY}",
            f"{CANARY}\u0000",
            "\u0000",
            "\ud800",
            "",
            " ",
            "x" * 70_000,
            "9999-12-31T23:59:59.9999999+14:00",
            "0001-01-01T00:00:00+14:00",
            10**400,
            -(10**20),
            1e308,
            0,
            True,
            None,
            [],
            {},
            [[CANARY]],
            {CANARY: CANARY},
            {"resourceType": CANARY},
            {"reference": "#"},
            {"extension": [{"url": CANARY}]},
        ]
    ),
    st.text(max_size=20),
    st.integers(),
    st.recursive(st.none() | st.booleans() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)),
)


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A request with up to three things wrong."""
    bundle = copy.deepcopy(BASE)
    for path in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=3)):
        _mutate(bundle, path, draw(st.sampled_from(["replace", "delete", "repeat", "rename"])), draw(HOSTILE))
    raw = json.dumps(bundle).encode()
    if draw(st.integers(0, 9)) == 0:
        cut = draw(st.integers(0, len(raw)))
        raw = raw[:cut] + draw(st.binary(max_size=4)) + raw[cut + draw(st.integers(0, 4)) :]
    return raw


def _mutate(bundle: Any, path: Path, how: str, value: Any) -> None:
    holder = bundle
    for step in path[:-1]:
        if not isinstance(holder, dict | list) or (isinstance(holder, list) and not _fits(holder, step)):
            return
        holder = holder.get(step) if isinstance(holder, dict) else holder[int(step)]
    _change(holder, path[-1], how, value)


def _fits(holder: list[Any], step: str | int) -> bool:
    return isinstance(step, int) and step < len(holder)


def _change(holder: Any, step: str | int, how: str, value: Any) -> None:
    if isinstance(holder, dict) and step in holder:
        if how == "delete":
            del holder[step]
        elif how == "rename":
            holder[CANARY] = holder.pop(step)
        else:
            holder[str(step)] = [holder[str(step)]] * 2 if how == "repeat" else value
    elif isinstance(holder, list) and _fits(holder, step):
        if how == "repeat":
            holder.append(copy.deepcopy(holder[int(step)]))
        else:
            holder[int(step)] = value


def _b64(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


VISIBLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)
ENCODED = st.one_of(
    VISIBLE,
    HOSTILE.map(_b64),
    HOSTILE.map(lambda value: _b64({"system": value, "value": value})),
    HOSTILE.map(lambda value: _b64({"resourceType": "Organization", "identifier": value, "name": value})),
    HOSTILE.map(lambda value: _b64({"deviceName": value, "version": value, "identifier": [{"value": value}]})),
    st.just(_b64([[]]) * 200),
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "X-Request-Id": VISIBLE,
        "X-Correlation-Id": VISIBLE,
        "NHSD-Target-Identifier": ENCODED,
        "NHSD-End-User-Organisation": ENCODED,
        "NHSD-Requesting-Practitioner": ENCODED,
        "NHSD-Requesting-Software": ENCODED,
        "use-context": VISIBLE,
        "Accept": st.one_of(
            VISIBLE, st.sampled_from(["*/*;q=x", "application/fhir+json; version=" + "9" * 500, ";;,,"])
        ),
        "Content-Type": st.one_of(VISIBLE, st.sampled_from(["multipart/form-data", "application/json; charset=utf-7"])),
        "Content-Encoding": st.sampled_from(["gzip", "br", "x"]),
    },
)


def _is_precise(answer: httpx.Response, sent: dict[str, str]) -> None:
    """An answer that tells the sender what is wrong, and nothing of the message or of the inside."""
    assert answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    for name in ("X-Request-Id", "X-Correlation-Id"):
        if sent.get(name):
            assert answer.headers[name] == sent[name]
    if answer.status_code != 200:
        outcome = answer.json()
        assert outcome["resourceType"] == "OperationOutcome"
        assert outcome["issue"]
        assert CANARY not in answer.text
        assert "Traceback" not in answer.text
        assert '.py"' not in answer.text


@given(raw=mutants())
@BOUNDED
async def test_a_mutated_message_gets_a_precise_answer(running: Running, raw: bytes) -> None:
    ids = {"X-Request-Id": str(uuid4()), "X-Correlation-Id": str(uuid4())}
    _is_precise(await running.post_message(raw, headers=ids), ids)


@given(headers=HEADERS)
@BOUNDED
async def test_mutated_headers_get_a_precise_answer(running: Running, headers: dict[str, str]) -> None:
    ids = {"X-Request-Id": str(uuid4()), "X-Correlation-Id": str(uuid4())}
    _is_precise(await running.post_message(BASE, headers=ids | headers), ids | headers)


@given(
    path=st.sampled_from(["/ServiceRequest", "/MessageDefinition", "/metadata", "/ServiceRequest/", "/"]),
    rest=st.text(max_size=12),
    query=st.dictionaries(
        st.one_of(st.sampled_from(["patient:identifier", "identifier", "context", "_id"]), st.text(max_size=5)),
        st.one_of(st.text(max_size=20), st.sampled_from([f"{CANARY}|{CANARY}", "|", "a|b|c", "\u0000|\u0000"])),
        max_size=3,
    ),
    headers=HEADERS,
)
@BOUNDED
async def test_mutated_reads_get_a_precise_answer(
    running: Running, path: str, rest: str, query: dict[str, str], headers: dict[str, str]
) -> None:
    ids = {"X-Request-Id": str(uuid4()), "X-Correlation-Id": str(uuid4())}
    name = quote(rest, safe="") if path.endswith("/") else ""
    url = f"{running.url}/FHIR/R4{path}{name}?{urlencode(query)}"
    answer = await running.client.get(url, headers=ids | headers, follow_redirects=False)
    if answer.status_code not in {200, 307, 501}:
        _is_precise(answer, ids | headers)
