"""Ambulance Response Programme categories: their order, and the clock start after a validation."""

from __future__ import annotations

from datetime import datetime

from cad_bridge.fhir.codes import ARP_DISPLAYS, ARP_WIRE_CODES

ARP_CODES = tuple(ARP_DISPLAYS)
"""C1..C5 with C4T, and the categories for requests by health professionals (HCP) and transfers (IFT)."""

_FROM_WIRE = {wire: name for name, wire in ARP_WIRE_CODES.items()}


def arp_from_wire(code: str) -> str:
    """The category as this system spells it: HP4T is HCP4T, upper case. One that is not known stays as it was sent."""
    upper = code.strip().upper()
    known = _FROM_WIRE.get(upper, upper)
    return known if known in ARP_DISPLAYS else code


def arp_to_wire(code: str) -> str:
    """The category as the code system spells it."""
    return ARP_WIRE_CODES.get(code, code)


def arp_urgency(code: str | None) -> int | None:
    """1 (life-threatening) to 5 (no ambulance); None if the code is absent or unknown.

    HCP and IFT categories rank with the one of the same number, C4T with C4: their targets are the same.
    """
    if code is None or code not in ARP_DISPLAYS:
        return None
    return next(int(character) for character in code if character.isdigit())


def needs_ambulance(code: str | None) -> bool | None:
    """Whether an ambulance goes to a case of that category; None if it is absent or unknown."""
    urgency = arp_urgency(code)
    return None if urgency is None else urgency < 5


def is_upgrade(original_arp: str | None, new_arp: str | None) -> bool:
    """Whether the new category is more urgent. Never, if one of the two is unknown."""
    original, new = arp_urgency(original_arp), arp_urgency(new_arp)
    return original is not None and new is not None and new < original


def outcome_clock_start(
    original_arp: str | None, new_arp: str | None, *, original_clock_start: datetime, disposition_time: datetime
) -> datetime:
    """T5 after a validation.

    Same or lower category: the original clock start (APP4-VS-18). A higher one: the time at which the responder
    reached its disposition (APP4-VS-19). Where a category is unknown the earlier clock, the original, keeps running.
    """
    return disposition_time if is_upgrade(original_arp, new_arp) else original_clock_start
