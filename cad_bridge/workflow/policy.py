"""How long things may take where the standard leaves it to the site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from cad_bridge.workflow.vocabulary import Priority


def _minutes(**by_priority: float) -> Mapping[str, timedelta]:
    return {code: timedelta(minutes=value) for code, value in by_priority.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Times of one local service, each documented in docs/configuration.md."""

    delivery_unknown_after: timedelta = timedelta(seconds=60)
    """From our commit until a request nobody has answered for is escalated (DESIGN section 6)."""
    acknowledge_within: timedelta = timedelta(seconds=60)
    """From an escalation until it is repeated because nobody has acknowledged it."""
    dispatch_within: Mapping[str, timedelta] = field(default_factory=lambda: _minutes(C1=1, C2=2, C3=10, C4=15, C4T=15))
    """From a case coming back for dispatch until its lack of a dispatch is escalated, by ARP category."""
    intake_within: Mapping[str, timedelta] = field(default_factory=lambda: _minutes(C1=1, C2=2, C3=10, C4=15, C4T=15))
    """From our 200 until a received case that nobody has accepted is escalated, by ARP category."""

    review_within: timedelta = timedelta(minutes=5)
    """From a final response that needs the EOC clinical hub until its lack of a review is escalated."""
    breach_within: Mapping[str, timedelta] = field(default_factory=dict)
    """Breach time counted from the request, by ARP category, where the CAD gives none; empty: it has to give one."""

    validated: frozenset[str] = frozenset()
    """ARP categories whose cases may be sent for validation; empty: whatever the CAD chooses (APP4-VR-10)."""

    answer_within: Mapping[str, timedelta] = field(default_factory=lambda: _minutes(C1=1, C2=2, C3=10, C4=15, C4T=15))
    """From the acknowledgement of a call assist or mutual aid request until the lack of an answer is escalated."""
    status_within: Mapping[str, timedelta] = field(default_factory=lambda: _minutes(C1=5, C2=15, C3=60, C4=90, C4T=90))
    """From the last news of a referral that waits for a resource until the silence is escalated, by ARP category."""
    allocated_status_within: timedelta = timedelta(hours=4)
    """The same, once a resource is allocated."""

    def may_be_validated(self, arp: Priority | None) -> bool:
        """Whether local rules let a case of that priority wait for a validation; never an unknown one, if there are."""
        return not self.validated or (arp is not None and arp.category in self.validated)

    def breach_time(self, arp: Priority | None) -> timedelta | None:
        """The default time to breach for a priority; None where there is none."""
        return self.breach_within.get(arp.category) if arp is not None else None

    def dispatch_time(self, arp: Priority | None) -> timedelta:
        """Time to dispatch for a priority; an unknown priority gets the shortest."""
        return _by_priority(self.dispatch_within, arp)

    def intake_time(self, arp: Priority | None) -> timedelta:
        """Time to accept for a priority; an unknown priority gets the shortest."""
        return _by_priority(self.intake_within, arp)

    def answer_time(self, arp: Priority | None) -> timedelta:
        """Time to accept or refuse for a priority; an unknown priority gets the shortest."""
        return _by_priority(self.answer_within, arp)

    def status_time(self, arp: Priority | None) -> timedelta:
        """Time to the next status for a priority; an unknown priority gets the shortest."""
        return _by_priority(self.status_within, arp)


def _by_priority(times: Mapping[str, timedelta], arp: Priority | None) -> timedelta:
    shortest = min(times.values())
    if arp is None:
        return shortest
    # C5 asks for no ambulance at all: it gets the most time there is, never none.
    return times.get(arp.category, max(times.values()) if arp is Priority.C5 else shortest)
