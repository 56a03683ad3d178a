"""`discover`: from a question to an answer. The way in for the API, the command line and the choice of a receiver."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cad_bridge.discovery.answer import DiscoveryAnswer, Outcome, ResponsibleAst
from cad_bridge.discovery.areas import BoundaryIndex
from cad_bridge.discovery.catalogue.entries import CatalogueEntry, services_for
from cad_bridge.discovery.cross_check import (
    describe_agreement,
    describe_disagreement,
    disagreements,
    named_mistake,
)
from cad_bridge.discovery.placement import Placement, place
from cad_bridge.discovery.query import NO_SOURCES, DiscoveryQuery, LocationSources
from cad_bridge.discovery.readings import Reading, Readings, read_sources
from cad_bridge.discovery.reasons import Reason, ReasonCode, RejectionError

OUT_OF_AREA = "a6t1"
"""The use case whose service id an answer names: out-of-area referral."""


def discover(
    query: DiscoveryQuery,
    index: BoundaryIndex,
    *,
    sources: LocationSources = NO_SOURCES,
    entries: Iterable[CatalogueEntry] = (),
) -> DiscoveryAnswer:
    """Which ambulance service is responsible at a place. Never raises for what a query holds: that is `rejected`.

    Same question, same set, same tables: same answer. Requirement APP6-REF-11, hazard H04.
    """
    try:
        readings = read_sources(query, sources)
    except RejectionError as rejection:
        return _rejected((rejection.reason,), index)
    placement = place(readings.location.point, index, uncertainty_m=readings.location.uncertainty_m)
    comparison = _compare(readings, placement, index)
    if comparison.contradiction:
        return _rejected((*comparison.reasons, *readings.notes), index, readings.readings)
    return _answer(placement, readings, comparison.reasons, index, tuple(entries))


@dataclass(frozen=True, slots=True)
class _Comparison:
    """What the sources of a question say about each other; a contradiction forbids an answer."""

    reasons: tuple[Reason, ...]
    contradiction: bool = False


def _compare(readings: Readings, placement: Placement, index: BoundaryIndex) -> _Comparison:
    pairs = disagreements(readings)
    if not pairs:
        return _Comparison(describe_agreement(readings))
    slips = [slip for location, other in pairs if (slip := named_mistake(location, other)) is not None]
    told = [describe_disagreement(location, other) for location, other in pairs]
    if slips:
        return _Comparison((*slips, *told), contradiction=True)
    elsewhere = [other for _, other in pairs if _service_at(other, index) != placement.ods_code]
    if elsewhere:
        named = [_would_be(reading, index) for reading in (readings.location, *elsewhere)]
        return _Comparison((*told, Reason(ReasonCode.SOURCES_DISAGREE, "; ".join(named))), contradiction=True)
    return _Comparison(tuple(told))


def _service_at(reading: Reading, index: BoundaryIndex) -> str | None:
    return place(reading.point, index, uncertainty_m=reading.uncertainty_m).ods_code


def _would_be(reading: Reading, index: BoundaryIndex) -> str:
    ods_code = _service_at(reading, index)
    return f"by {reading.kind}: {index.service(ods_code).name if ods_code else 'no service'}"


def _answer(
    placement: Placement,
    readings: Readings,
    beside: tuple[Reason, ...],
    index: BoundaryIndex,
    entries: tuple[CatalogueEntry, ...],
) -> DiscoveryAnswer:
    return DiscoveryAnswer(
        outcome=placement.outcome,
        ast=None if placement.ods_code is None else _responsible(placement.ods_code, index, entries),
        border_m=placement.border_m,
        neighbours=placement.neighbours,
        reasons=(*placement.reasons, *beside, *readings.notes, *_marking(index)),
        boundary_version=index.version,
        readings=readings.readings,
    )


def _responsible(ods_code: str, index: BoundaryIndex, entries: tuple[CatalogueEntry, ...]) -> ResponsibleAst:
    offered = services_for(ods_code, OUT_OF_AREA, entries=entries)
    service_id = offered[0].service_id if len(offered) == 1 else None
    return ResponsibleAst(ods_code=ods_code, name=index.service(ods_code).name, service_id=service_id)


def _rejected(reasons: tuple[Reason, ...], index: BoundaryIndex, readings: tuple[Reading, ...] = ()) -> DiscoveryAnswer:
    return DiscoveryAnswer(
        outcome=Outcome.REJECTED,
        ast=None,
        border_m=None,
        neighbours=(),
        reasons=(*reasons, *_marking(index)),
        boundary_version=index.version,
        readings=readings,
    )


def _marking(index: BoundaryIndex) -> tuple[Reason, ...]:
    if index.provenance.operational:
        return ()
    return (Reason(ReasonCode.ILLUSTRATIVE, "the boundary set is not for operational use"),)
