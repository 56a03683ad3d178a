"""From a service to the server that its messages go to: the proxy, unless settings allow addresses of our own.

All traffic goes through the BaRS proxy (CORE-WF-10), which knows the national endpoint catalogue. The local catalogue
stops a new request that it knows to be hopeless before any call is made (CORE-WF-09). It never stops what follows a
request: an update or a cancellation may arrive where the catalogue is out of date, and nothing else would tell.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from cad_bridge.delivery.calls import BarsCalls
from cad_bridge.delivery.transport import Transport
from cad_bridge.discovery.catalogue.entries import (
    CatalogueEntry,
    InactiveServiceError,
    SeveralAddressesError,
    UnknownServiceError,
    WithheldAddressError,
    resolve,
)
from cad_bridge.discovery.catalogue.tokens import parse_token, same_identifier
from cad_bridge.engine.core import Engine
from cad_bridge.protocol.answers import Answer, Origin, Verdict
from cad_bridge.protocol.services import canonical
from cad_bridge.store.rows import Parcel
from cad_bridge.workflow.vocabulary import MessageKind

log = logging.getLogger(__name__)

_PHONE = "hand the case over by phone"
_INACTIVE = f"The endpoint catalogue says that the chosen service takes no messages now. Choose another, or {_PHONE}."
_UNKNOWN = f"The chosen service is not known here. Choose another, or {_PHONE}."
_SEVERAL = (
    "The endpoint catalogue has more than one address for the chosen service. Choose another service, "
    f"or {_PHONE}, and tell support."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePolicy:
    """What a site allows: direct addresses, and services that nobody here knows."""

    direct: bool = False
    known_services_only: bool = False


class Addresses:
    """Finds the calls for a parcel."""

    def __init__(self, engine: Engine, proxy: BarsCalls, *, transport: Transport, policy: RoutePolicy) -> None:
        self._engine = engine
        self._proxy = proxy
        self._transport = transport
        self._policy = policy

    @property
    def timeout_seconds(self) -> float:
        """The most that one request can take."""
        return self._transport.timeout_seconds

    async def calls_for(self, parcel: Parcel) -> BarsCalls | Answer:
        """The server to talk to about a parcel, or the answer that it gets without any call."""
        try:
            entries = await self._engine.discovery.catalogue.entries()
        except Exception:
            # No case waits for our copy of the catalogue to be mended: the proxy has its own.
            log.exception("the endpoint catalogue could not be read")
            return self._proxy
        return self._route(parcel, entries)

    def _route(self, parcel: Parcel, entries: tuple[CatalogueEntry, ...]) -> BarsCalls | Answer:
        is_new = parcel.kind == MessageKind.REQUEST and not parcel.attempts
        try:
            return self._at(resolve(parcel.remote_service, entries, at=self._engine.now()))
        except WithheldAddressError:
            return self._proxy
        except UnknownServiceError:
            blocked = is_new and self._policy.known_services_only and not self._is_configured(parcel.remote_service)
            return _refused(_UNKNOWN, "not-found") if blocked else self._proxy
        except SeveralAddressesError:
            # The proxy has a catalogue of its own; the fault is ours only where our address would be used.
            return _refused(_SEVERAL, "multiple-matches") if is_new and self._policy.direct else self._proxy
        except InactiveServiceError:
            return _refused(_INACTIVE, "not-found") if is_new else self._last_known(parcel.remote_service, entries)

    def _at(self, address: str) -> BarsCalls:
        """A direct server gets no access token: ours is for the proxy, and whoever has it could speak for us there."""
        if not self._policy.direct:
            return self._proxy
        return BarsCalls(self._transport, base_url=address, tokens=None)

    def _last_known(self, service_id: str, entries: Iterable[CatalogueEntry]) -> BarsCalls:
        wanted = parse_token(service_id)
        addresses = {entry.address for entry in entries if same_identifier(wanted, entry.token)}
        address = addresses.pop() if len(addresses) == 1 else None
        return self._proxy if address is None else self._at(address)

    def _is_configured(self, service_id: str) -> bool:
        site = self._engine.site
        return site.service(service_id) is not None or canonical(service_id) in site.remotes


def _refused(advice: str, issue_code: str) -> Answer:
    """What the proxy would answer; nothing was sent, so there is no HTTP status."""
    return Answer(verdict=Verdict.REFUSED, origin=Origin.PROXY, advice=advice, issue_code=issue_code)
