"""Catalogue entries: one service and where it takes messages. Delivery needs `resolve` and `services_for`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cad_bridge.discovery.catalogue.tokens import Token, parse_token, same_identifier

# CatalogueError
# ├── UnknownServiceError     no entry for this service id: the service isn't reachable by BaRS (CORE-ERR-RT-13)
# ├── SeveralAddressesError   two entries with different addresses: a fault of the catalogue (CORE-ERR-RT-14)
# ├── InactiveServiceError    the entry is suspended, off, or outside its period
# └── WithheldAddressError    the endpoint is private and not ours


class CatalogueError(Exception):
    """A service id does not lead to one address. The message holds no id of a person."""


class UnknownServiceError(CatalogueError):
    """The service is not in the catalogue."""


class SeveralAddressesError(CatalogueError):
    """The catalogue names more than one address for the service."""


class InactiveServiceError(CatalogueError):
    """The service is in the catalogue but takes no messages now."""


class WithheldAddressError(CatalogueError):
    """The address was left out because its endpoint is private."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """One service and the endpoint at which it takes messages."""

    service_id: str
    """``system|value``, such as ``https://fhir.nhs.uk/Id/dos-service-id|2000000011``."""
    ods_code: str
    name: str
    address: str | None
    """Base URL of its BaRS server; None where a private endpoint withholds it."""
    use_cases: frozenset[str] = frozenset()
    """Codes of usecases-categories-bars, lower case."""
    status: str = "active"
    """FHIR EndpointStatus: ``active``, ``suspended``, ``error``, ``off``, ``entered-in-error``, ``test``."""
    period_start: datetime | None = None
    period_end: datetime | None = None
    endpoint_id: str | None = None
    healthcare_service_id: str | None = None

    @property
    def token(self) -> Token:
        """The service id as a token."""
        return parse_token(self.service_id)

    def is_active(self, at: datetime | None = None) -> bool:
        """Whether it takes messages: status `active` and, if a time is given, inside its period."""
        if self.status != "active":
            return False
        if at is None:
            return True
        return (self.period_start is None or self.period_start <= at) and (
            self.period_end is None or at < self.period_end
        )


def resolve(service_id: str, entries: Iterable[CatalogueEntry], *, at: datetime | None = None) -> str:
    """The address at which a service takes messages. The id may lack its system (CORE: a bare value is honoured).

    Raises:
        UnknownServiceError, InactiveServiceError, SeveralAddressesError, WithheldAddressError: no single address.
    """
    wanted = parse_token(service_id)
    known = [entry for entry in entries if same_identifier(wanted, entry.token)]
    if not known:
        raise UnknownServiceError("the service is not in the endpoint catalogue")
    active = [entry for entry in known if entry.is_active(at)]
    if not active:
        raise InactiveServiceError("the service is in the endpoint catalogue but not active")
    addresses = {entry.address for entry in active}
    if len(addresses) > 1:
        raise SeveralAddressesError("the endpoint catalogue has more than one address for the service")
    address = addresses.pop()
    if address is None:
        raise WithheldAddressError("the endpoint of the service is private")
    return address


def services_for(
    ods_code: str, use_case: str, *, entries: Iterable[CatalogueEntry], at: datetime | None = None
) -> tuple[CatalogueEntry, ...]:
    """The active services of an organisation that take a use case, ordered by service id, each service id once."""
    offered = {
        entry.service_id: entry
        for entry in sorted(entries, key=lambda entry: (entry.service_id, entry.endpoint_id or ""), reverse=True)
        if entry.ods_code.upper() == ods_code.upper() and use_case.lower() in entry.use_cases and entry.is_active(at)
    }
    return tuple(offered[service_id] for service_id in sorted(offered))
