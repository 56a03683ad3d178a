"""The Encounters of a message, and which of them is whose (readings X-06, X-08, X-37).

A message may carry the sender's Encounter, the receiver's, and that of an ambulance case raised over ITK. Nothing in
an Encounter says whose it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


class Coding(NamedTuple):
    """A FHIR Coding as it was sent; the system is in its canonical spelling (X-60)."""

    system: str | None
    code: str | None
    display: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EncounterFacts:
    """One Encounter of the message."""

    full_url: str | None
    id: str | None = None
    status: str | None = None
    class_code: str | None = None
    identifiers: tuple[tuple[str | None, str], ...] = ()
    """Every identifier as (system, value)."""
    is_focus: bool = False
    is_linked: bool = False
    """Whether CarePlan.activity.outcomeReference names it: the ambulance case raised over ITK (APP4-VS-22)."""
    reason_codings: tuple[Coding, ...] = ()
    reason_texts: tuple[str, ...] = ()
    last_updated: datetime | None = None
    """meta.lastUpdated in UTC, to the microsecond."""

    @property
    def identifier_system(self) -> str | None:
        """System of the first identifier."""
        return self.identifiers[0][0] if self.identifiers else None

    @property
    def identifier_value(self) -> str | None:
        """Value of the first identifier: the human-readable case number."""
        return self.identifiers[0][1] if self.identifiers else None

    @property
    def reason_code(self) -> str | None:
        """Code of the first reasonCode coding."""
        return self.reason_codings[0].code if self.reason_codings else None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnEncounters:
    """How the Encounters of the local service in this conversation can be recognised (X-08)."""

    full_urls: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    identifiers: frozenset[tuple[str | None, str]] = frozenset()
    """As (system, value)."""


NO_OWN_ENCOUNTERS = OwnEncounters()


def own_among(encounters: tuple[EncounterFacts, ...], own: OwnEncounters) -> tuple[EncounterFacts, ...]:
    """Those that are the local service's: by fullUrl, else by id, else by identifier (X-08).

    An identifier counts only where it singles out one Encounter: published examples number both sides' cases
    in one name space.
    """
    for known in (
        [e for e in encounters if e.full_url in own.full_urls],
        [e for e in encounters if e.id in own.ids],
    ):
        if known:
            return tuple(known)
    by_identifier = [e for e in encounters if not own.identifiers.isdisjoint(e.identifiers)]
    return tuple(by_identifier) if len(by_identifier) == 1 else ()


def responders_encounter(
    encounters: tuple[EncounterFacts, ...], own: OwnEncounters, *, requesters: str | None
) -> EncounterFacts | None:
    """The responder's Encounter in a response: the focus where that is an Encounter, else the one not ours (X-06).

    `requesters` is ServiceRequest.encounter. ``None`` where it cannot be told; nothing is guessed.
    """
    focused = [e for e in encounters if e.is_focus]
    if focused:
        return focused[0]
    others = [e for e in _not_own(encounters, own) if not e.is_linked]
    return _single(others) or _single([e for e in others if not _is_named(e, requesters)])


def senders_encounter(
    encounters: tuple[EncounterFacts, ...], own: OwnEncounters, *, requesters: str | None
) -> EncounterFacts | None:
    """The sender's Encounter in a request, which may echo ours beside it (X-37). ``None`` where it cannot be told."""
    others = _not_own(encounters, own)
    return _single(others) or _single([e for e in others if _is_named(e, requesters)])


def _not_own(encounters: tuple[EncounterFacts, ...], own: OwnEncounters) -> list[EncounterFacts]:
    mine = own_among(encounters, own)
    return [e for e in encounters if not any(e is each for each in mine)]


def _is_named(encounter: EncounterFacts, ref: str | None) -> bool:
    """Whether a reference names it, by fullUrl or as ``Encounter/id``."""
    if ref is None:
        return False
    return ref == encounter.full_url or (encounter.id is not None and ref == f"Encounter/{encounter.id}")


def _single(encounters: list[EncounterFacts]) -> EncounterFacts | None:
    return encounters[0] if len(encounters) == 1 else None
