"""Client registrations of the token endpoint, and throwaway keys for them."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHM = "RS512"


@dataclass(frozen=True)
class ClientRegistration:
    """An application known to the token endpoint."""

    client_id: str
    """The API key; `iss` and `sub` of the assertion."""
    public_keys: Mapping[str, str] = field(default_factory=dict)
    """PEM public keys by `kid`; two of them while keys are rotated."""
    bars_enabled: bool = True
    """False: tokens are issued, but the BaRS API answers 403 SEND_FORBIDDEN."""


@dataclass(frozen=True)
class ClientCredentials:
    """What an application signs its assertions with. For loopback only: the key lives in memory."""

    client_id: str
    kid: str
    private_key: str = field(repr=False)
    """PEM, PKCS#8."""
    public_key: str
    """PEM."""

    @property
    def registration(self) -> ClientRegistration:
        """What the token endpoint must know about this client."""
        return ClientRegistration(self.client_id, {self.kid: self.public_key})

    def assertion(self, *, audience: str, now: datetime, lifetime: timedelta = timedelta(seconds=240)) -> str:
        """A fresh signed assertion; 240 s, because an `exp` of 5 minutes fails on a clock that is fast."""
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": audience,
            "jti": str(uuid.uuid4()),
            "exp": int((now + lifetime).timestamp()),
        }
        return jwt.encode(claims, self.private_key, algorithm=ALGORITHM, headers={"kid": self.kid})


def new_credentials(client_id: str, *, kid: str = "sandbox-1", bits: int = 2048) -> ClientCredentials:
    """Makes a key pair for a client."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return ClientCredentials(client_id, kid, *_pem(key))


def sandbox_credentials(client_id: str) -> ClientCredentials:
    """Credentials of a simulated system; they share one key for as long as the process lives."""
    return ClientCredentials(client_id, "sandbox-internal", *_shared_key())


@functools.cache
def _shared_key() -> tuple[str, str]:
    return _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))


def _pem(key: rsa.RSAPrivateKey) -> tuple[str, str]:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()
