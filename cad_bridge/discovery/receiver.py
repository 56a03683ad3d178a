"""Who receives an out-of-area referral: chosen by discovery, or named and then checked, or chosen by a person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from cad_bridge.discovery.answer import DiscoveryAnswer, Outcome
from cad_bridge.discovery.areas import BoundaryIndex
from cad_bridge.discovery.catalogue.entries import CatalogueEntry, services_for
from cad_bridge.discovery.discover import OUT_OF_AREA, discover
from cad_bridge.discovery.query import NO_SOURCES, DiscoveryQuery, LocationSources
from cad_bridge.discovery.reasons import Reason, ReasonCode


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another service near the place, and the ids under which it takes the use case."""

    ods_code: str
    name: str
    distance_m: float
    service_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverChoice:
    """The service that an out-of-area referral goes to, and all that the sender needs to see why."""

    use_case: str
    answer: DiscoveryAnswer
    chosen: CatalogueEntry | None
    """None where no area, or not exactly one active service of the responsible AST takes the use case."""
    alternatives: tuple[Alternative, ...]
    confirm: tuple[Reason, ...]
    """Why a person must look before it is sent; empty if it may go by itself."""

    @property
    def may_send(self) -> bool:
        """Whether the referral may go without a person's confirmation."""
        return self.chosen is not None and not self.confirm

    def as_dict(self) -> dict[str, Any]:
        """For the API, the audit and the board."""
        return {
            "use_case": self.use_case,
            "service_id": self.chosen.service_id if self.chosen else None,
            "discovery": self.answer.as_dict(),
            "alternatives": [
                {
                    "ods_code": other.ods_code,
                    "name": other.name,
                    "distance_m": round(other.distance_m, 1),
                    "service_ids": list(other.service_ids),
                }
                for other in self.alternatives
            ],
            "confirm": [str(reason) for reason in self.confirm],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualChoice:
    """A dispatcher's own choice of the receiver, for the record: it overrules an answer and says why."""

    ods_code: str
    service_id: str | None
    chosen_by: str
    chosen_at: datetime
    reason: str
    overruled: DiscoveryAnswer

    def as_dict(self) -> dict[str, Any]:
        """For the audit: who chose what, when and why, and the answer that stood against it."""
        return {
            "ods_code": self.ods_code,
            "service_id": self.service_id,
            "chosen_by": self.chosen_by,
            "chosen_at": self.chosen_at.isoformat(),
            "reason": self.reason,
            "overruled": self.overruled.as_dict(),
        }


class ManualChoiceError(ValueError):
    """A manual choice lacks its reason, its author or an aware time."""


def choose_receiver(
    point: DiscoveryQuery,
    index: BoundaryIndex,
    *,
    entries: Iterable[CatalogueEntry],
    use_case: str = OUT_OF_AREA,
    sources: LocationSources = NO_SOURCES,
    at: datetime | None = None,
) -> ReceiverChoice:
    """The receiver by place: requirement APP6-REF-11. Nothing is chosen on doubt about the service, see `confirm`."""
    known = tuple(entries)
    answer = discover(point, index, sources=sources, entries=known)
    offered = services_for(answer.ast.ods_code, use_case, entries=known, at=at) if answer.ast else ()
    doubts = _doubts(answer) if answer.ast else _no_area(answer)
    return ReceiverChoice(
        use_case=use_case,
        answer=answer,
        chosen=offered[0] if len(offered) == 1 else None,
        alternatives=_alternatives(answer, index, use_case, known, at),
        confirm=(*doubts, *(_service_doubt(offered, use_case) if answer.ast else ())),
    )


def how_confirmed(receiver: str, location: DiscoveryAnswer) -> Literal["confirmed", "manual"]:
    """What a person did who said that this AST receives it: confirmed the one of the place, or chose another."""
    follows = location.ast is not None and location.ast.ods_code.upper() == receiver.strip().upper()
    return "confirmed" if follows else "manual"


def confirm_needed(receiver: str, location: DiscoveryAnswer) -> tuple[Reason, ...]:
    """Why sending to the AST with this ODS code needs a person's confirmation; empty if it doesn't.

    It does when the area of the receiver does not hold the incident, and whenever the answer is not certain.
    """
    if location.ast is None:
        return _no_area(location)
    if how_confirmed(receiver, location) == "manual":
        text = f"the place lies in the area of {location.ast.name}, not in the receiver's"
        return (Reason(ReasonCode.RECEIVER_ELSEWHERE, text), *_doubts(location))
    return _doubts(location)


def why_not(named: CatalogueEntry, use_case: str, *, at: datetime) -> tuple[Reason, ...]:
    """Why a named service may not take a use case, by what the catalogue says of it; where it is silent, nothing."""
    reasons = []
    if not named.is_active(at):
        reasons.append("the endpoint catalogue says that the named service takes no messages now")
    if named.use_cases and use_case not in named.use_cases:
        reasons.append(f"the named service is not known to take {use_case}")
    return tuple(Reason(ReasonCode.NO_SERVICE, text) for text in reasons)


def manual_choice(
    ods_code: str,
    *,
    service_id: str | None,
    chosen_by: str,
    chosen_at: datetime,
    reason: str,
    overruled: DiscoveryAnswer,
) -> ManualChoice:
    """Record a dispatcher's choice.

    Raises:
        ManualChoiceError: no reason, no author, or a time without a zone.
    """
    if not reason.strip():
        raise ManualChoiceError("a manual choice needs a reason")
    if not chosen_by.strip():
        raise ManualChoiceError("a manual choice needs the name of who chose")
    if chosen_at.tzinfo is None:
        raise ManualChoiceError("the time of a manual choice needs a zone")
    return ManualChoice(
        ods_code=ods_code,
        service_id=service_id,
        chosen_by=chosen_by.strip(),
        chosen_at=chosen_at,
        reason=reason.strip(),
        overruled=overruled,
    )


_DOUBTS = frozenset(
    {
        ReasonCode.NEAR_BORDER,
        ReasonCode.INPUT_COARSE,
        ReasonCode.OFF_COAST,
        ReasonCode.FOREIGN_BORDER,
        ReasonCode.SOURCES_DISAGREE,
    }
)


def _doubts(answer: DiscoveryAnswer) -> tuple[Reason, ...]:
    return tuple(reason for reason in answer.reasons if reason.code in _DOUBTS)


def _no_area(answer: DiscoveryAnswer) -> tuple[Reason, ...]:
    said = "was rejected" if answer.outcome is Outcome.REJECTED else "lies in no area"
    return (Reason(ReasonCode.RECEIVER_ELSEWHERE, f"the place {said}: choose the receiver by hand"), *answer.reasons)


def _service_doubt(offered: tuple[CatalogueEntry, ...], use_case: str) -> tuple[Reason, ...]:
    if not offered:
        return (Reason(ReasonCode.NO_SERVICE, f"no active service of this AST takes {use_case}"),)
    if len(offered) > 1:
        ids = ", ".join(entry.service_id for entry in offered)
        return (Reason(ReasonCode.SEVERAL_SERVICES, f"more than one service of this AST takes {use_case}: {ids}"),)
    return ()


def _alternatives(
    answer: DiscoveryAnswer,
    index: BoundaryIndex,
    use_case: str,
    entries: tuple[CatalogueEntry, ...],
    at: datetime | None,
) -> tuple[Alternative, ...]:
    return tuple(
        Alternative(
            ods_code=neighbour.ods_code,
            name=index.service(neighbour.ods_code).name,
            distance_m=neighbour.distance_m,
            service_ids=tuple(
                entry.service_id for entry in services_for(neighbour.ods_code, use_case, entries=entries, at=at)
            ),
        )
        for neighbour in answer.neighbours
    )
