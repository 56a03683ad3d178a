"""A simulated requester: sends validation requests, keeps what comes back."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from .clock import Clock
from .findings import findings
from .identity import Json, ServiceIdentity
from .message import Message
from .outcomes import not_found, unprocessable
from .receiver import Arrival
from .sender import ProxySender, Sent
from .synthetic import PEOPLE, Person
from .validation_requests import ValidationCase, cancellation, update_request, validation_request, with_issued_ids


class RequesterError(Exception):
    """A later message cannot be sent: the request was never acknowledged, or is not active any more (CORE-CAN-02)."""


@dataclass(eq=False)
class Requested:
    """A request that was sent, and its history."""

    case: ValidationCase
    target: str
    correlation_id: str
    known: Json
    """The request bundle, with the ids that the responder issued once they are known."""
    sent: list[Sent] = field(default_factory=list)
    """The request and every later message, in order."""
    responses: list[Message] = field(default_factory=list)
    """The asynchronous responses, in the order of arrival."""

    @property
    def bundle_id(self) -> str:
        """Bundle.id of the original request."""
        return str(self.known["id"])

    @property
    def service_request_id(self) -> str:
        """The id that the responder issued. Raises RequesterError where there is none."""
        request_id = Message(self.known).service_request.get("id")
        if request_id is None:
            raise RequesterError("the responder issued no ServiceRequest.id")
        return str(request_id)

    @property
    def remote_case_number(self) -> str | None:
        """The responder's case number, from the planned Encounter of its 200."""
        answer = self.sent[0].answer if self.sent else None
        if answer is None or answer.get("resourceType") != "Bundle":
            return None
        for encounter in Message(answer).of_type("Encounter"):
            if encounter.get("status") == "planned":
                return str(encounter.get("identifier", [{}])[0].get("value"))
        return None


class SimulatedRequester:
    """An EOC that wants cases validated; the requests are plain, so that what matters is the responder."""

    def __init__(self, identity: ServiceIdentity, *, sender: ProxySender, clock: Clock) -> None:
        self.identity = identity
        self.use_cases: tuple[str, ...] = ("a4t1", "a4t2", "a4t3")
        self.requested: list[Requested] = []
        self.arrivals: list[Arrival] = []
        """Every response that could be read, known or not."""
        self.findings: list[str] = []
        self._sender = sender
        self._clock = clock
        self._numbers = count(1)
        self._people = count()

    async def send_validation(
        self,
        target: str,
        *,
        use_case: str = "a4t1",
        arp: str = "C3",
        breach_in: timedelta = timedelta(minutes=40),
        person: Person | None = None,
    ) -> Requested:
        """Sends a new validation request to a service; `sent[0]` says how that ended."""
        now = self._clock.now()
        case = ValidationCase(
            use_case=use_case,
            case_number=f"SIM-{now:%Y%m%d}-{next(self._numbers):04d}",
            person=person or PEOPLE[next(self._people) % len(PEOPLE)],
            call_connect=now - timedelta(minutes=4),
            clock_start=now - timedelta(minutes=1),
            breach_at=now + breach_in,
            arp=arp,
        )
        bundle = validation_request(case, source=self.identity, target=target, now=now)
        requested = Requested(case, target, str(uuid.uuid4()), bundle)
        self.requested.append(requested)
        sent = await self._post(requested, bundle, reason="new")
        if sent.status == 200 and sent.answer is not None:
            requested.known = with_issued_ids(bundle, sent.answer)
        return requested

    async def send_update(
        self, requested: Requested, *, summary: str, breach_in: timedelta | None = None, read_first: bool = True
    ) -> Sent:
        """Reads the request back and sends a change. Raises RequesterError where it is not active.

        Without `read_first` it breaks that rule, as a careless requester would.
        """
        if read_first:
            await self._require_active(requested)
        now = self._clock.now()
        breach_at = None if breach_in is None else now + breach_in
        return await self._post(
            requested, update_request(requested.known, summary=summary, breach_at=breach_at, now=now), reason="update"
        )

    async def send_cancellation(
        self,
        requested: Requested,
        *,
        reason: str = "The patient called back and an ambulance goes",
        status: str = "revoked",
        read_first: bool = True,
    ) -> Sent:
        """Reads the request back and cancels it. Raises RequesterError where it is not active.

        Without `read_first` it breaks that rule, as a careless requester would.
        """
        if read_first:
            await self._require_active(requested)
        bundle = cancellation(requested.known, status=status, reason=reason, now=self._clock.now())
        return await self._post(requested, bundle, reason="update")

    async def read_back(self, requested: Requested) -> Sent:
        """GET /ServiceRequest/{id} at the responder, under the correlation id of the conversation."""
        return await self._sender.read(
            requested.service_request_id, target=requested.target, correlation_id=requested.correlation_id
        )

    async def _require_active(self, requested: Requested) -> None:
        read = await self.read_back(requested)
        status = (read.answer or {}).get("status")
        if read.status != 200 or status != "active":
            raise RequesterError(f"the request is {status or read.status} at the responder")

    async def _post(self, requested: Requested, bundle: Json, *, reason: str) -> Sent:
        sent = await self._sender.post(
            json.dumps(bundle).encode(),
            target=requested.target,
            correlation_id=requested.correlation_id,
            use_context=f"{requested.case.use_case}|validation|servicerequest-request|{reason}",
        )
        requested.sent.append(sent)
        return sent

    def now(self) -> datetime:
        """The requester's clock, aware UTC."""
        return self._clock.now()

    def note(self, arrival: Arrival) -> None:
        """Keeps an arrival and what is wrong with it."""
        self.arrivals.append(arrival)
        self.findings += findings(arrival.message, arrival.headers)

    async def response(self, arrival: Arrival) -> Json:
        """Files a response under its request. Raises RefusedError 404 where there is none (CORE-MH-14)."""
        for requested in self.requested:
            if requested.bundle_id == arrival.message.response_identifier:
                requested.responses.append(arrival.message)
                return arrival.message.bundle
        raise not_found("MessageHeader.response.identifier names no request of this sender")

    async def new_request(self, _arrival: Arrival) -> Json:
        """Not served: this system only asks. Raises RefusedError 422."""
        raise unprocessable("This system takes no requests")

    async def update(self, _arrival: Arrival) -> Json:
        """Not served. Raises RefusedError 422."""
        raise unprocessable("This system takes no requests")

    async def cancel(self, _arrival: Arrival) -> Json:
        """Not served. Raises RefusedError 422."""
        raise unprocessable("This system takes no requests")

    def read(self, _service_request_id: str) -> Json | None:
        """Nothing to read: the requests are held by their responders."""
        return None

    def search(self, _system: str, _value: str) -> list[Json]:
        """Nothing to find."""
        return []

    async def aclose(self) -> None:
        """Closes the connections to the proxy."""
        await self._sender.aclose()
