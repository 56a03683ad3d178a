"""The token endpoint's checks, one wrong thing at a time."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from cad_bridge.sandbox.clock import ManualClock
from cad_bridge.sandbox.credentials import ASSERTION_TYPE, ClientRegistration, new_credentials
from cad_bridge.sandbox.tokens import TokenError, TokenIssuer
from tests.unit.sandbox.world import NOW

URL = "http://127.0.0.1:9400/oauth2/token"
KEYS = new_credentials("client-1")
OTHER = new_credentials("client-1")


def _issuer(**changed: Any) -> TokenIssuer:
    clients = (KEYS.registration, ClientRegistration("client-2"))
    settings: dict[str, Any] = {"clock": ManualClock(NOW), "lifetime": timedelta(seconds=599)}
    return TokenIssuer(clients, **settings | changed)


def _claims(**changed: Any) -> dict[str, Any]:
    claims: dict[str, Any] = {
        "iss": "client-1",
        "sub": "client-1",
        "aud": URL,
        "jti": str(uuid.uuid4()),
        "exp": int((NOW + timedelta(minutes=5)).timestamp()),
    }
    return {name: value for name, value in (claims | changed).items() if value is not None}


def _form(
    claims: dict[str, Any], *, kid: str | None = KEYS.kid, key: str = KEYS.private_key, alg: str = "RS512"
) -> bytes:
    assertion = jwt.encode(claims, key, algorithm=alg, headers={"kid": kid} if kid else None)
    return _posted(client_assertion=assertion)


def _posted(**changed: str | None) -> bytes:
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE} | changed
    return urlencode({name: value for name, value in form.items() if value is not None}).encode()


def test_a_good_assertion_gets_a_token() -> None:
    clock = ManualClock(NOW)
    issuer = _issuer(clock=clock)
    answer = issuer.issue(_form(_claims()), url=URL)
    token = issuer.find(answer["access_token"])
    assert token is not None
    assert answer["expires_in"] == "599"
    assert token.client.client_id == "client-1"
    assert not issuer.expired(token)
    clock.advance(599)
    assert issuer.expired(token)


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        (_form(_claims(), alg="RS256"), 400, "alg"),
        (_form(_claims(), kid=None), 400, "Missing kid"),
        (_form(_claims(), kid="old"), 401, "kid"),
        (_form(_claims(), key=OTHER.private_key), 401, "signature"),
        (_form(_claims(sub="client-2")), 400, "non-matching iss/sub"),
        (_form(_claims(iss="nobody", sub="nobody")), 401, "Invalid iss/sub"),
        (_form(_claims(aud=URL + "/")), 401, "aud"),
        (_form(_claims(aud=None)), 401, "aud"),
        (_form(_claims(exp=None)), 400, "Missing exp"),
        (_form(_claims(exp=int(NOW.timestamp()))), 400, "expired"),
        (_form(_claims(exp=int(NOW.timestamp()) + 301)), 400, "more than 5 minutes"),
        (_form(_claims(jti=None)), 400, "Missing jti"),
        (_posted(client_assertion="not.a.jwt"), 400, "Malformed"),
        (_posted(), 400, "Missing client_assertion"),
        (_posted(client_assertion="x", client_assertion_type=None), 400, "client_assertion_type"),
        (_posted(grant_type="password"), 400, "client_credentials"),
        (_posted(grant_type=None), 400, "grant_type is missing"),
    ],
)
def test_refuses(form: bytes, status: int, words: str) -> None:
    with pytest.raises(TokenError) as refused:
        _issuer().issue(form, url=URL)
    assert refused.value.status == status
    assert words in refused.value.description


def test_an_assertion_serves_once() -> None:
    issuer = _issuer()
    form = _form(_claims())
    issuer.issue(form, url=URL)
    with pytest.raises(TokenError, match="Non-unique jti"):
        issuer.issue(form, url=URL)


def test_a_refused_assertion_does_not_use_up_its_jti() -> None:
    issuer = _issuer()
    claims = _claims()
    with pytest.raises(TokenError):
        issuer.issue(_form(claims, key=OTHER.private_key), url=URL)
    assert issuer.issue(_form(claims), url=URL)["access_token"]


def test_a_configured_audience_overrules_the_url() -> None:
    issuer = _issuer(audience="https://int.api.service.nhs.uk/oauth2/token")
    with pytest.raises(TokenError, match="aud"):
        issuer.issue(_form(_claims()), url=URL)
    good = _claims(aud="https://int.api.service.nhs.uk/oauth2/token")
    assert issuer.issue(_form(good), url=URL)["access_token"]


def test_two_keys_during_rotation() -> None:
    registration = ClientRegistration("client-1", {"old": KEYS.public_key, "new": OTHER.public_key})
    issuer = TokenIssuer([registration], clock=ManualClock(NOW), lifetime=timedelta(seconds=60))
    assert issuer.issue(_form(_claims(), kid="old"), url=URL)
    assert issuer.issue(_form(_claims(), kid="new", key=OTHER.private_key), url=URL)


def test_lenient_takes_a_registered_client_at_its_word() -> None:
    issuer = _issuer(lenient=True)
    assert issuer.issue(_posted(client_id="client-2", client_assertion_type=None), url=URL)["access_token"]
    assert issuer.issue(_form(_claims(aud="anything"), key=OTHER.private_key), url=URL)["access_token"]
    with pytest.raises(TokenError, match="not registered"):
        issuer.issue(_posted(client_id="nobody"), url=URL)


def test_credentials_never_show_their_key() -> None:
    assert "PRIVATE" not in repr(KEYS)
