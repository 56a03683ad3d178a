"""Service discovery in a running service: boundaries, catalogue and resolvers together, and the record of decisions.

Pure answers come from `cad_bridge.discovery`; here they meet the database and the clock. A question takes the boundary
set in force once: a set that is put in force meanwhile changes nothing about its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from cad_bridge.discovery.answer import DiscoveryAnswer
from cad_bridge.discovery.catalogue.entries import CatalogueEntry
from cad_bridge.discovery.catalogue.tokens import parse_token, same_identifier
from cad_bridge.discovery.discover import OUT_OF_AREA, discover
from cad_bridge.discovery.holder import BoundaryHolder
from cad_bridge.discovery.query import DiscoveryQuery, LocationSources
from cad_bridge.discovery.reasons import Reason, ReasonCode
from cad_bridge.discovery.receiver import (
    ReceiverChoice,
    choose_receiver,
    confirm_needed,
    how_confirmed,
    manual_choice,
    why_not,
)
from cad_bridge.engine.catalogue import Catalogue
from cad_bridge.store import receiver_decisions
from cad_bridge.store.receiver_decisions import ReceiverDecision

How = Literal["automatic", "named", "confirmed", "manual"]


class Discovery:
    """Where is it, whose is it, who takes it: for the API, for referrals, for the board.

    `is_real_site`: boundaries that are not for operational use send nothing there without a person's confirmation.
    """

    def __init__(
        self,
        *,
        boundaries: BoundaryHolder,
        sources: LocationSources,
        catalogue: Catalogue,
        now: Callable[[], datetime],
        new_id: Callable[[], UUID],
        is_real_site: bool = False,
    ) -> None:
        self.boundaries = boundaries
        self.sources = sources
        self.catalogue = catalogue
        self._now = now
        self._new_id = new_id
        self._is_real_site = is_real_site

    async def answer(self, query: DiscoveryQuery) -> DiscoveryAnswer:
        """Which ambulance service is responsible at a place."""
        entries = await self.catalogue.entries()
        return discover(query, self.boundaries.current, sources=self.sources, entries=entries)

    async def choose_receiver(self, query: DiscoveryQuery, *, use_case: str = OUT_OF_AREA) -> ReceiverChoice:
        """The service that takes a referral by its place (APP6-REF-11), and why; see `ReceiverChoice.may_send`."""
        choice = choose_receiver(
            query,
            self.boundaries.current,
            entries=await self.catalogue.entries(),
            use_case=use_case,
            sources=self.sources,
            at=self._now(),
        )
        return replace(choice, confirm=tuple(dict.fromkeys((*choice.confirm, *self._not_operational(choice.answer)))))

    async def check_receiver(
        self, service_id: str, query: DiscoveryQuery, *, use_case: str = OUT_OF_AREA
    ) -> ReceiverChoice:
        """A receiver that was named, held against the place; `confirm` says why a person must look before it goes."""
        by_place = await self.choose_receiver(query, use_case=use_case)
        named = await self.entry(service_id)
        if named is None:
            unknown = Reason(ReasonCode.NO_SERVICE, "the named service is not in the endpoint catalogue")
            doubts = (unknown, *confirm_needed("", by_place.answer))
        else:
            doubts = (*why_not(named, use_case, at=self._now()), *confirm_needed(named.ods_code, by_place.answer))
        doubts = (*doubts, *self._not_operational(by_place.answer))
        return replace(by_place, chosen=named, confirm=tuple(dict.fromkeys(doubts)))

    def _not_operational(self, answer: DiscoveryAnswer) -> tuple[Reason, ...]:
        return tuple(r for r in answer.reasons if self._is_real_site and r.code is ReasonCode.ILLUSTRATIVE)

    async def entry(self, service_id: str, connection: AsyncConnection | None = None) -> CatalogueEntry | None:
        """What is known of a service, an active entry before others; None for one that nobody knows."""
        wanted = parse_token(service_id)
        known = [item for item in await self.catalogue.entries(connection) if same_identifier(wanted, item.token)]
        return min(known, key=lambda item: not item.is_active(self._now()), default=None)

    async def record(
        self, connection: AsyncConnection, case_id: UUID, choice: ReceiverChoice, *, how: How, service_id: str, by: str
    ) -> ReceiverDecision:
        """Keep, in the transaction that opens a case, why it goes to `service_id`; the caller commits."""
        ods_code = choice.chosen.ods_code if choice.chosen is not None else None
        decision = self._decision(case_id, choice, how=how, service_id=service_id, ods_code=ods_code, by=by)
        await receiver_decisions.add(connection, decision)
        return decision

    async def record_manual_choice(
        self,
        connection: AsyncConnection,
        case_id: UUID,
        overruled: ReceiverChoice,
        *,
        service_id: str,
        by: str,
        reason: str,
    ) -> ReceiverDecision:
        """Keep a dispatcher's word: a receiver of his own, or the place's own against its doubts; the caller commits.

        Raises:
            ManualChoiceError: no reason, or nobody's name.
        """
        entry = await self.entry(service_id, connection)
        made = manual_choice(
            entry.ods_code if entry is not None else "",
            service_id=service_id,
            chosen_by=by,
            chosen_at=self._now(),
            reason=reason,
            overruled=overruled.answer,
        )
        decision = self._decision(
            case_id,
            overruled,
            how=how_confirmed(made.ods_code, overruled.answer),
            service_id=service_id,
            ods_code=made.ods_code or None,
            by=made.chosen_by,
        )
        decision = replace(decision, reason=made.reason, decided_at=made.chosen_at)
        await receiver_decisions.add(connection, decision)
        return decision

    def _decision(
        self, case_id: UUID, choice: ReceiverChoice, *, how: str, service_id: str, ods_code: str | None, by: str
    ) -> ReceiverDecision:
        told = choice.as_dict()
        return ReceiverDecision(
            id=self._new_id(),
            case_id=case_id,
            how=how,
            use_case=choice.use_case,
            ods_code=ods_code,
            service_id=service_id,
            decided_by=by,
            decided_at=self._now(),
            boundary_version=choice.answer.boundary_version,
            answer=told["discovery"],
            alternatives=told["alternatives"],
            doubts=told["confirm"],
        )
