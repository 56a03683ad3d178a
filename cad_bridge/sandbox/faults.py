"""Faults that the proxy is told to make, per service and counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class FaultKind(StrEnum):
    """What goes wrong."""

    DROP_RESPONSE = "drop_response"
    """The target processes the message; its answer is lost."""
    DELAY = "delay"
    """The message is forwarded late."""
    STATUS = "status"
    """An error status instead of a delivery."""
    HTML = "html"
    """502 with an HTML page, as a gateway in between would answer."""
    RESET = "reset"
    """TCP reset before anything is delivered."""
    DUPLICATE = "duplicate"
    """The target gets the message twice."""
    STRIP_IDS = "strip_ids"
    """The answer lacks X-Request-Id and X-Correlation-Id (CORE-TI-11)."""


@dataclass(frozen=True)
class Fault:
    """One kind of trouble for the next `times` matching requests."""

    kind: FaultKind
    times: int = 1
    seconds: float = 0.0
    """Scripted seconds to wait before the fault acts."""
    status: int = 503
    """For `STATUS` alone."""
    with_outcome: bool = True
    """For `STATUS`: whether the body is an OperationOutcome or empty."""
    concurrent: bool = False
    """For `DUPLICATE`: both deliveries at the same time instead of one after the other."""
    method: str | None = None
    """Only requests of this method."""
    event: str | None = None
    """Only requests whose body contains this text, `servicerequest-response` for example."""

    def __post_init__(self) -> None:
        if self.times < 1:
            raise ValueError("a fault applies at least once")

    @classmethod
    def drop_response(cls, times: int = 1, **narrowed: Any) -> Fault:
        """The lost 200."""
        return cls(FaultKind.DROP_RESPONSE, times, **narrowed)

    @classmethod
    def delay(cls, seconds: float, times: int = 1, **narrowed: Any) -> Fault:
        """Forwards after that many scripted seconds."""
        return cls(FaultKind.DELAY, times, seconds=seconds, **narrowed)

    @classmethod
    def answer(cls, status: int, times: int = 1, **narrowed: Any) -> Fault:
        """Answers with an error status; nothing is delivered."""
        return cls(FaultKind.STATUS, times, status=status, **narrowed)

    @classmethod
    def html(cls, times: int = 1, **narrowed: Any) -> Fault:
        """Answers 502 with HTML; nothing is delivered."""
        return cls(FaultKind.HTML, times, **narrowed)

    @classmethod
    def reset(cls, times: int = 1, **narrowed: Any) -> Fault:
        """Resets the connection; nothing is delivered."""
        return cls(FaultKind.RESET, times, **narrowed)

    @classmethod
    def duplicate(cls, times: int = 1, **narrowed: Any) -> Fault:
        """Delivers twice."""
        return cls(FaultKind.DUPLICATE, times, **narrowed)

    @classmethod
    def strip_ids(cls, times: int = 1, **narrowed: Any) -> Fault:
        """Answers without the integrity ids."""
        return cls(FaultKind.STRIP_IDS, times, **narrowed)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Fault:
        """Reads the body of `POST /sandbox/faults`. Raises ValueError or TypeError for what it does not know."""
        return cls(FaultKind(value["kind"]), **{name: item for name, item in value.items() if name != "kind"})

    def matches(self, method: str, body: bytes) -> bool:
        """Whether a request meets this fault."""
        if self.method is not None and self.method != method:
            return False
        return self.event is None or self.event.encode() in body


class FaultScript:
    """The faults still to come, per service, in the order of their injection."""

    def __init__(self) -> None:
        self._pending: dict[str, list[Fault]] = defaultdict(list)

    def inject(self, service: str, fault: Fault) -> None:
        """The next `fault.times` matching requests for `service` meet `fault`."""
        self._pending[service].append(fault)

    def pending(self, service: str) -> tuple[Fault, ...]:
        """What is still to come for a service."""
        return tuple(self._pending[service])

    def clear(self) -> None:
        """Forgets every fault."""
        self._pending.clear()

    def take(self, service: str, *, method: str, body: bytes) -> Fault | None:
        """The fault that this request meets, if any; counts it down."""
        faults = self._pending[service]
        for place, fault in enumerate(faults):
            if fault.matches(method, body):
                faults[place : place + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                return fault
        return None
