"""The NHS identifier and code systems, in the spelling that is emitted, and how other spellings of them are read.

The guide, its examples and real senders write ``http`` for ``https`` and ``id`` for ``Id`` (X-60), and some systems
under a second name. Known systems are compared without scheme and case; unknown ones are left as they are.
"""

from __future__ import annotations

from functools import lru_cache

SERVICE_ID = "https://fhir.nhs.uk/Id/dos-service-id"
ODS_CODE = "https://fhir.nhs.uk/Id/ods-organization-code"
NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
SDS_ROLE_PROFILE = "https://fhir.nhs.uk/Id/sds-role-profile-id"

MESSAGE_EVENT = "https://fhir.nhs.uk/CodeSystem/message-events-bars"
MESSAGE_REASON = "https://fhir.nhs.uk/CodeSystem/message-reason-bars"
MESSAGE_CATEGORY = "https://fhir.nhs.uk/CodeSystem/message-category-servicerequest"
USE_CASE = "https://fhir.nhs.uk/CodeSystem/usecases-categories-bars"
REJECTED_REASON = "https://fhir.nhs.uk/CodeSystem/rejected-reasons-bars"
ARP_PRIORITY = "https://fhir.nhs.uk/CodeSystem/arp-priority-codes"
HTTP_ERROR = "https://fhir.nhs.uk/CodeSystem/http-error-codes"

_OTHER_NAMES = {
    "https://fhir.nhs.uk/CodeSystem/usecase-categories-bars": USE_CASE,
    "https://fhir.nhs.uk/CodeSystem/rejection-reason-bars": REJECTED_REASON,
    "https://fhir.nhs.uk/CodeSystem/arp-priority-code": ARP_PRIORITY,
    "https://fhir.nhs.uk/Id/pathways-arp-code": ARP_PRIORITY,
    "https://fhir.nhs.uk/CodeSystem/dos-id": SERVICE_ID,
    "https://fhir.nhs.uk/CodeSystem/dos-service-id": SERVICE_ID,
}
_KNOWN = (
    SERVICE_ID,
    ODS_CODE,
    NHS_NUMBER,
    SDS_ROLE_PROFILE,
    MESSAGE_EVENT,
    MESSAGE_REASON,
    MESSAGE_CATEGORY,
    USE_CASE,
    REJECTED_REASON,
    ARP_PRIORITY,
    HTTP_ERROR,
)


def _key(system: str) -> str:
    lowered = system.strip().lower()
    return lowered.removeprefix("https://").removeprefix("http://")


_SPELLINGS = {_key(s): s for s in _KNOWN} | {_key(other): s for other, s in _OTHER_NAMES.items()}


@lru_cache(maxsize=1024)
def canonical(system: str) -> str:
    """The spelling to compare and to emit (X-60, X-28)."""
    return _SPELLINGS.get(_key(system), system.strip())


def canonical_token(token: str) -> str:
    """``system|value`` with a canonical system, split at the last pipe (S6); unchanged where there is no pipe."""
    system, pipe, value = token.rpartition("|")
    return f"{canonical(system)}|{value.strip()}" if pipe else token.strip()


def is_token(token: str) -> bool:
    """Whether it has the form ``system|value`` with neither part empty."""
    system, _, value = token.rpartition("|")
    return bool(system.strip() and value.strip())
