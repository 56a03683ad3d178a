"""Before our own update or cancellation the request is read back from the other side (CORE-CAN-01, CORE-WF-11)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import orjson

from cad_bridge.delivery.calls import BarsCalls
from cad_bridge.engine.core import Engine
from cad_bridge.protocol.answers import Answer, Origin, Verdict
from cad_bridge.store import claims
from cad_bridge.store.rows import Parcel
from cad_bridge.workflow.vocabulary import MessageKind

CHECKED_KINDS = frozenset({MessageKind.UPDATE.value, MessageKind.CANCELLATION.value})

_NOT_CURRENT = (
    "The request is no longer current at the other service. Read its last response and decide what is still to be done."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The parcel, ready to be sent, or why it is not."""

    parcel: Parcel
    instead: Answer | None = None


class ReadBefore:
    """Reads a request back once, before the first try of a message that changes it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def check(self, parcel: Parcel, calls: BarsCalls) -> Checked:
        """Read, and stop unless the request is active there (CORE-CAN-02).

        Without the id that the other side issued (its 200 never reached us) there is nothing to read by: the message
        goes as it is and is matched by its fullUrl. A later try does not read again: by then the state may already be
        of our own making.
        """
        if parcel.kind not in CHECKED_KINDS or parcel.checked or parcel.service_request_id is None:
            return Checked(parcel=parcel)
        headers = self._engine.writer.read_headers(parcel.local_service, parcel.remote_service, parcel.correlation_id)
        called = await calls.get(f"/ServiceRequest/{parcel.service_request_id}", headers)
        if not called.answer.is_delivered:
            return Checked(parcel=parcel, instead=called.answer)
        if _status(called.body) != "active":
            return Checked(parcel=parcel, instead=_no_longer_current())
        return Checked(parcel=await self._prepare(parcel, called.body or b""))

    async def _prepare(self, parcel: Parcel, current: bytes) -> Parcel:
        """A cancellation is made anew on the version just read (CORE-UPD-11), an update takes the ids issued meanwhile.

        Then every try sends the same bytes.
        """
        if parcel.kind == MessageKind.CANCELLATION:
            body = await self._engine.cancellation_on(parcel.case_id, parcel.body, current)
        else:
            body = await self._engine.update_now(parcel.case_id, parcel.body)
        async with self._engine.database.begin() as connection:
            changed = body if body != parcel.body else None
            await claims.mark_checked(connection, parcel, at=self._engine.now(), body=changed)
        return replace(parcel, body=body, checked=True)


def _status(body: bytes | None) -> str | None:
    try:
        said = orjson.loads(body or b"")
    except orjson.JSONDecodeError:
        return None
    resource = said if isinstance(said, dict) else {}
    return resource.get("status") if resource.get("resourceType") == "ServiceRequest" else None


def _no_longer_current() -> Answer:
    return Answer(verdict=Verdict.CONFLICT, origin=Origin.RECEIVER, advice=_NOT_CURRENT, http_status=200)
