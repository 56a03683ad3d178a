"""The token endpoint: client credentials with a signed JWT, as the NHS API platform checks them (CORE-SEC-01)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import jwt

from .clock import Clock
from .credentials import ALGORITHM, ASSERTION_TYPE, ClientRegistration
from .identity import Json

MAX_ASSERTION_LIFETIME = timedelta(minutes=5)


class TokenError(Exception):
    """A token request that is refused: status, OAuth error code, and words for the developer."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.status = status
        self.error = error
        self.description = description

    def as_json(self) -> Json:
        """The error body of RFC 6749, 5.2."""
        return {"error": self.error, "error_description": self.description}


@dataclass(frozen=True)
class IssuedToken:
    """A bearer token and whose it is."""

    client: ClientRegistration
    expires_at: datetime
    """Aware UTC."""


class TokenIssuer:
    """Checks assertions, issues bearer tokens, and knows which of them still hold."""

    def __init__(
        self,
        clients: Iterable[ClientRegistration],
        *,
        clock: Clock,
        lifetime: timedelta,
        lenient: bool = False,
        audience: str | None = None,
    ) -> None:
        self._clients = {client.client_id: client for client in clients}
        self._clock = clock
        self._lifetime = lifetime
        self._lenient = lenient
        self._audience = audience
        self._seen_jti: set[str] = set()
        self._issued: dict[str, IssuedToken] = {}

    def issue(self, body: bytes, *, url: str) -> Json:
        """Answers a form-encoded token request that was posted to `url`. Raises TokenError."""
        form = {name: values[0] for name, values in parse_qs(body.decode("ascii", "replace")).items()}
        _check_grant(form)
        client = self._lenient_client(form) if self._lenient else self._signed_client(form, url)
        token = secrets.token_urlsafe(24)
        self._issued[token] = IssuedToken(client, self._clock.now() + self._lifetime)
        return {
            "access_token": token,
            "expires_in": str(int(self._lifetime.total_seconds())),
            "token_type": "Bearer",
        }

    def find(self, token: str) -> IssuedToken | None:
        """The token as issued, expired or not; None for one never issued."""
        return self._issued.get(token)

    def expired(self, token: IssuedToken) -> bool:
        """Whether a token no longer holds."""
        return self._clock.now() >= token.expires_at

    def expire_all(self) -> None:
        """Lets every token issued so far lapse now: what a sender sees when the platform restarts."""
        now = self._clock.now()
        self._issued = {text: IssuedToken(token.client, now) for text, token in self._issued.items()}

    def _lenient_client(self, form: Mapping[str, str]) -> ClientRegistration:
        client_id = form.get("client_id") or _unverified(form.get("client_assertion", "")).get("iss")
        if not isinstance(client_id, str) or client_id not in self._clients:
            raise TokenError(401, "invalid_client", "client_id is not registered")
        return self._clients[client_id]

    def _signed_client(self, form: Mapping[str, str], url: str) -> ClientRegistration:
        assertion = _assertion(form)
        header = _header(assertion)
        claims = _unverified(assertion)
        client = self._claimed_client(claims)
        if self._audience is None and claims.get("aud") != url:
            raise TokenError(401, "invalid_request", "Missing or invalid aud claim in JWT")
        if self._audience is not None and claims.get("aud") != self._audience:
            raise TokenError(401, "invalid_request", "Missing or invalid aud claim in JWT")
        self._check_lifetime(claims)
        _check_signature(assertion, _key(client, header))
        self._check_unique(claims)
        return client

    def _claimed_client(self, claims: Mapping[str, Any]) -> ClientRegistration:
        issuer, subject = claims.get("iss"), claims.get("sub")
        if not isinstance(issuer, str) or issuer != subject:
            raise TokenError(400, "invalid_request", "Missing or non-matching iss/sub claims in JWT")
        if issuer not in self._clients:
            raise TokenError(401, "invalid_request", "Invalid iss/sub claims in JWT")
        return self._clients[issuer]

    def _check_lifetime(self, claims: Mapping[str, Any]) -> None:
        expires = claims.get("exp")
        if expires is None:
            raise TokenError(400, "invalid_request", "Missing exp claim in JWT")
        if not isinstance(expires, int) or isinstance(expires, bool):
            raise TokenError(400, "invalid_request", "Invalid exp claim in JWT - must be an integer")
        now = self._clock.now()
        if expires <= now.timestamp():
            raise TokenError(400, "invalid_request", "Invalid exp claim in JWT - JWT has expired")
        if expires > (now + MAX_ASSERTION_LIFETIME).timestamp():
            raise TokenError(400, "invalid_request", "Invalid exp claim in JWT - more than 5 minutes in future")

    def _check_unique(self, claims: Mapping[str, Any]) -> None:
        jti = claims.get("jti")
        if not isinstance(jti, str) or not jti:
            raise TokenError(400, "invalid_request", "Missing jti claim in JWT")
        if jti in self._seen_jti:
            raise TokenError(400, "invalid_request", "Non-unique jti claim in JWT")
        self._seen_jti.add(jti)


def _check_grant(form: Mapping[str, str]) -> None:
    grant = form.get("grant_type")
    if grant is None:
        raise TokenError(400, "invalid_request", "grant_type is missing")
    if grant != "client_credentials":
        raise TokenError(400, "unsupported_grant_type", "grant_type must be client_credentials")


def _assertion(form: Mapping[str, str]) -> str:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise TokenError(
            400, "invalid_request", f"Missing or invalid client_assertion_type - must be '{ASSERTION_TYPE}'"
        )
    if "client_assertion" not in form:
        raise TokenError(400, "invalid_request", "Missing client_assertion")
    return form["client_assertion"]


def _header(assertion: str) -> Mapping[str, Any]:
    try:
        header = jwt.get_unverified_header(assertion)
    except jwt.InvalidTokenError as error:
        raise TokenError(400, "invalid_request", "Malformed JWT in client_assertion") from error
    if header.get("alg") != ALGORITHM:
        raise TokenError(400, "invalid_request", f"Invalid alg header in JWT - must be '{ALGORITHM}'")
    if not header.get("kid"):
        raise TokenError(400, "invalid_request", "Missing kid header in JWT")
    return header


def _unverified(assertion: str) -> Mapping[str, Any]:
    try:
        claims: Mapping[str, Any] = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        raise TokenError(400, "invalid_request", "Malformed JWT in client_assertion") from error
    return claims


def _key(client: ClientRegistration, header: Mapping[str, Any]) -> str:
    try:
        return client.public_keys[header["kid"]]
    except KeyError:
        raise TokenError(401, "invalid_request", "Invalid kid header in JWT - no matching public key") from None


def _check_signature(assertion: str, key: str) -> None:
    unchecked = ("verify_exp", "verify_aud", "verify_iat", "verify_nbf", "verify_sub", "verify_jti", "verify_iss")
    options: Any = dict.fromkeys(unchecked, False)
    try:
        jwt.decode(assertion, key, algorithms=[ALGORITHM], options=options)
    except jwt.InvalidTokenError as error:
        raise TokenError(401, "invalid_request", "JWT signature verification failed") from error
