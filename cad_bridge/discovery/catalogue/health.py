"""How an endpoint is doing: last success, failures since."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class EndpointState(StrEnum):
    """What the last attempts say."""

    UNKNOWN = "unknown"
    WORKING = "working"
    FAILING = "failing"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointHealth:
    """What is known of one endpoint from the attempts to deliver there. Times are aware, UTC."""

    service_id: str
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    failures_since_success: int = 0
    last_failure: str = ""
    """A code or status, such as ``503`` or ``timeout``; never a text that came back."""

    @property
    def state(self) -> EndpointState:
        """Failing after the latest attempt failed; unknown before the first."""
        if self.failures_since_success:
            return EndpointState.FAILING
        return EndpointState.WORKING if self.last_success_at else EndpointState.UNKNOWN

    def succeeded(self, at: datetime) -> EndpointHealth:
        """After a delivery. One that is older than what is known changes nothing but the time."""
        if self.last_failure_at is not None and at < self.last_failure_at:
            return replace(self, last_success_at=_later(self.last_success_at, at))
        return replace(self, last_success_at=_later(self.last_success_at, at), failures_since_success=0)

    def failed(self, at: datetime, *, why: str) -> EndpointHealth:
        """After an attempt that failed."""
        if self.last_success_at is not None and at < self.last_success_at:
            return self
        return replace(
            self,
            last_failure_at=_later(self.last_failure_at, at),
            failures_since_success=self.failures_since_success + 1,
            last_failure=why,
        )


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)
