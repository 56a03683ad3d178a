"""Everything that passed the proxy, byte for byte."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .identity import Json


@dataclass(frozen=True)
class JournalEntry:
    """One request to the proxy and what became of it."""

    number: int
    """Counts from 1 without gaps."""
    at: datetime
    """When the request arrived, aware UTC."""
    method: str
    path: str
    query: str
    service: str | None
    """`system|value` of the target, None when it could not be read."""
    request_headers: Mapping[str, str]
    """Lower-case names; the bearer token is left out of the value of `authorization`."""
    request_body: bytes
    status: int | None
    """What the sender saw; None when it saw no answer."""
    response_headers: Mapping[str, str]
    response_body: bytes
    target_statuses: tuple[int, ...]
    """What the target answered, one for each delivery; empty when nothing reached it."""
    fault: str | None
    """The kind of the injected fault, if one applied."""

    def as_json(self) -> Json:
        """The form that `GET /sandbox/journal` shows."""
        return {
            "number": self.number,
            "at": self.at.isoformat(),
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "service": self.service,
            "status": self.status,
            "target_statuses": list(self.target_statuses),
            "fault": self.fault,
            "request": {"headers": dict(self.request_headers), "body": _body(self.request_body)},
            "response": {"headers": dict(self.response_headers), "body": _body(self.response_body)},
        }


class Journal:
    """The last `limit` entries, oldest first."""

    def __init__(self, limit: int) -> None:
        self._entries: deque[JournalEntry] = deque(maxlen=limit)
        self._next = 1

    @property
    def entries(self) -> tuple[JournalEntry, ...]:
        """What is kept, oldest first."""
        return tuple(self._entries)

    def record(self, **fields: Any) -> JournalEntry:
        """Adds an entry under the next number; takes the fields of `JournalEntry`."""
        entry = JournalEntry(number=self._next, **fields)
        self._next += 1
        self._entries.append(entry)
        return entry

    def after(self, number: int) -> tuple[JournalEntry, ...]:
        """The kept entries with a higher number."""
        return tuple(entry for entry in self._entries if entry.number > number)

    def for_service(self, service: str) -> tuple[JournalEntry, ...]:
        """The kept entries that were addressed to a service."""
        return tuple(entry for entry in self._entries if entry.service == service)


def _body(body: bytes) -> Json:
    try:
        return {"encoding": "utf-8", "data": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"encoding": "base64", "data": base64.b64encode(body).decode("ascii")}
