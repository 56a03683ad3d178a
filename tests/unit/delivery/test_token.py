"""The access token: fetched once for many, renewed in time, and no secret in any error."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cad_bridge.clock import ManualClock
from cad_bridge.delivery.token import NoTokenError, TokenSettings, TokenSource
from cad_bridge.delivery.transport import HttpAnswer, NoAnswerError, Transport

URL = "https://api.example/oauth2/token"
START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Server(Transport):
    """Stands where the HTTP client stands, and answers as it is told."""

    def __init__(self) -> None:
        self.calls: list[dict[str, list[str]]] = []
        self.status = 200
        self.body: bytes | None = None
        self.dead = False

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """One token request."""
        self.calls.append(parse_qs(body.decode()))
        await asyncio.sleep(0)
        if self.dead:
            raise NoAnswerError("ConnectError")
        said = orjson.dumps({"access_token": f"token-{len(self.calls)}", "expires_in": "600"})
        return HttpAnswer(status=self.status, headers={}, body=self.body if self.body is not None else said)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """A key pair for the module: making one takes a moment."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def key_file(key: rsa.RSAPrivateKey, tmp_path: Path) -> Path:
    """The private key as a site keeps it."""
    path = tmp_path / "key.pem"
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    return path


def _source(server: Server, key_file: Path, clock: ManualClock) -> TokenSource:
    settings = TokenSettings(url=URL, client_id="client", key_id="kid-1", private_key_file=key_file)
    return TokenSource(settings, transport=server, now=clock)


@pytest.mark.req("CORE-SEC-01")
async def test_many_callers_at_once_fetch_one_token(key_file: Path) -> None:
    server, clock = Server(), ManualClock(START)
    source = _source(server, key_file, clock)
    assert set(await asyncio.gather(*(source.token() for _ in range(20)))) == {"token-1"}
    assert len(server.calls) == 1


@pytest.mark.req("CORE-SEC-02")
async def test_it_is_renewed_when_four_fifths_of_its_life_are_over(key_file: Path) -> None:
    server, clock = Server(), ManualClock(START)
    source = _source(server, key_file, clock)
    await source.token()
    clock.advance(timedelta(seconds=479))
    assert await source.token() == "token-1"
    clock.advance(timedelta(seconds=1))
    assert await source.token() == "token-2"


async def test_a_token_that_was_not_accepted_is_forgotten_once(key_file: Path) -> None:
    server = Server()
    source = _source(server, key_file, ManualClock(START))
    old = await source.token()
    source.forget(old)
    assert await source.token() == "token-2"
    source.forget(old)
    assert await source.token() == "token-2", "the old token says nothing about the new one"


@pytest.mark.req("CORE-SEC-01")
async def test_the_assertion_is_signed_short_lived_and_never_the_same(key_file: Path, key: rsa.RSAPrivateKey) -> None:
    server, clock = Server(), ManualClock(START)
    source = _source(server, key_file, clock)
    for _ in range(2):
        source.forget(await source.token())
    claims = []
    for call in server.calls:
        (assertion,) = call["client_assertion"]
        assert jwt.get_unverified_header(assertion) == {"alg": "RS512", "typ": "JWT", "kid": "kid-1"}
        options = {"verify_exp": False}
        claims.append(jwt.decode(assertion, key.public_key(), algorithms=["RS512"], audience=URL, options=options))
    assert claims[0]["iss"] == claims[0]["sub"] == "client"
    assert 0 < claims[0]["exp"] - START.timestamp() <= 300
    assert claims[0]["jti"] != claims[1]["jti"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"access_token": "t"}',
        b'{"access_token": "t", "expires_in": "soon"}',
        b'{"access_token": "t", "expires_in": "nan"}',
        b'{"access_token": "t", "expires_in": "inf"}',
        b'{"access_token": "t", "expires_in": null}',
    ],
)
async def test_an_answer_that_cannot_be_read_is_no_token(key_file: Path, body: bytes) -> None:
    server = Server()
    server.body = body
    with pytest.raises(NoTokenError, match="could not be read"):
        await _source(server, key_file, ManualClock(START)).token()


async def test_a_dead_or_refusing_server_is_no_token_and_the_next_call_asks_again(key_file: Path) -> None:
    server = Server()
    source = _source(server, key_file, ManualClock(START))
    server.dead = True
    with pytest.raises(NoTokenError, match="ConnectError"):
        await source.token()
    server.dead, server.status = False, 401
    with pytest.raises(NoTokenError, match="401"):
        await source.token()
    server.status = 200
    assert await source.token() == "token-3"


async def test_a_key_that_cannot_be_used_is_said_without_its_content(tmp_path: Path) -> None:
    unreadable = tmp_path / "key.pem"
    for content in (None, "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"):
        if content is not None:
            unreadable.write_text(content, encoding="ascii")
        with pytest.raises(NoTokenError) as caught:
            await _source(Server(), unreadable, ManualClock(START)).token()
        assert "secret" not in str(caught.value)
