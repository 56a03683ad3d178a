"""The services that take part: ours, with what they do here, and the remote ones that we know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cad_bridge.fhir import systems
from cad_bridge.workflow.policy import Policy
from cad_bridge.workflow.vocabulary import VALIDATION_USE_CASES, Side, UseCase


class Role(StrEnum):
    """What kind of service one of ours is."""

    AST = "ast"
    CAS = "cas"
    FALLS = "falls"
    COMMUNITY = "community"


_ANSWERS_VALIDATION = {
    Role.CAS: UseCase.CAS_VALIDATION,
    Role.FALLS: UseCase.FALLS_VALIDATION,
    Role.COMMUNITY: UseCase.COMMUNITY_VALIDATION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalService:
    """A service that this installation answers for."""

    id: str
    """``system|value``, as MessageHeader endpoints spell it."""
    ods_code: str
    name: str
    role: Role
    use_cases: frozenset[UseCase]
    strict: bool = False
    """Whether deviations that could be understood safely are refused (decision 11)."""
    cancel_on_breach: bool = False
    """Whether the responder is told by cancellation when the failsafe has taken a case back."""
    policy: Policy = field(default_factory=Policy)

    def plays(self, use_case: UseCase, side: Side) -> bool:
        """Whether this service takes that side of that use case."""
        if use_case not in self.use_cases:
            return False
        if use_case in VALIDATION_USE_CASES:
            return self.role is Role.AST if side is Side.REQUESTER else _ANSWERS_VALIDATION.get(self.role) is use_case
        if use_case is UseCase.CAS_REFERRAL:
            return (self.role is Role.AST) is (side is Side.REQUESTER)
        return self.role is Role.AST


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteService:
    """A service somewhere else that we know by name."""

    id: str
    ods_code: str | None
    name: str
    approved_triage: bool = True
    """Whether it validates with an approved triage system; otherwise the EOC clinical hub reviews its outcomes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """This product, as NHSD-Requesting-Software and MessageHeader.source name it."""

    name: str
    version: str
    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything that this installation is configured to be."""

    services: Mapping[str, LocalService]
    remotes: Mapping[str, RemoteService]
    software: Software

    def service(self, service_id: str) -> LocalService | None:
        """The service of ours with that id, whatever scheme and case its system is spelt in (X-60)."""
        return self.services.get(canonical(service_id))

    def remote(self, service_id: str) -> RemoteService:
        """What is known of the other service of a conversation, which may be one of ours, too.

        Its name is its number where nothing is known.
        """
        known, own = self.remotes.get(canonical(service_id)), self.service(service_id)
        if known is None and own is not None:
            return RemoteService(id=own.id, ods_code=own.ods_code, name=own.name)
        return known or RemoteService(id=canonical(service_id), ods_code=None, name=service_id.rpartition("|")[2])


def canonical(service_id: str) -> str:
    """``system|value`` with the system in its canonical spelling: defects S5, contradiction X-60."""
    system, pipe, value = service_id.strip().rpartition("|")
    return f"{systems.canonical(system.strip())}|{value.strip()}" if pipe else service_id.strip()
