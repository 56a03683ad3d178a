"""Checking passwords: in constant time for whoever asks, slowly for whoever guesses."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerificationError

from cad_bridge.web.context import User

FAILURES_ALLOWED = 5
LOCKED_FOR = timedelta(minutes=1)
REMEMBERED = 10_000
"""User names whose failures are kept; beyond that the one that failed longest ago is forgotten."""
LONGEST_PASSWORD = 1000
_AT_ONCE = 2
"""One verification takes tens of megabytes: more of them at a time would be a way to bring the node down."""


class Passwords:
    """The users' password hashes, and a hash of nobody's that costs the same to check."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = users
        some_hash = next((user.password_hash for user in users.values()), None)
        hasher = PasswordHasher.from_parameters(extract_parameters(some_hash)) if some_hash else PasswordHasher()
        self._nobodys = hasher.hash(secrets.token_hex(16))
        self._hasher = hasher
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def user(self, username: str, password: str) -> User | None:
        """The user, if the password is theirs. Takes as long for a name that nobody has."""
        user = self._users.get(username)
        async with self._turns:
            fits = await asyncio.to_thread(
                self._fits, user.password_hash if user else self._nobodys, password[:LONGEST_PASSWORD]
            )
        return user if fits and len(password) <= LONGEST_PASSWORD else None

    def _fits(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerificationError:
            return False


@dataclass(slots=True)
class _Failures:
    count: int
    last: datetime


class Throttle:
    """Counts failed sign-ins by user name, in the memory of this node. `now` gives aware UTC."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._failures: dict[str, _Failures] = {}

    def locked_for(self, username: str) -> timedelta | None:
        """How long sign-ins with this name are refused still, if they are."""
        failures = self._failures.get(username)
        if failures is None or failures.count < FAILURES_ALLOWED:
            return None
        left = failures.last + LOCKED_FOR - self._now()
        return left if left > timedelta(0) else None

    def failed(self, username: str) -> None:
        """Count one more failure."""
        count = self._failures.pop(username, _Failures(0, self._now())).count
        self._failures[username] = _Failures(count + 1, self._now())
        if len(self._failures) > REMEMBERED:
            del self._failures[next(iter(self._failures))]

    def succeeded(self, username: str) -> None:
        """Forget the failures of a name."""
        self._failures.pop(username, None)
