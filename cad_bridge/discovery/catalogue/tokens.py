"""Identifiers as tokens ``system|value``, compared as senders really write them."""

from __future__ import annotations

from dataclasses import dataclass

from cad_bridge.fhir.systems import canonical


@dataclass(frozen=True, slots=True)
class Token:
    """A system and a value; either may be empty in a search."""

    system: str
    value: str

    def __str__(self) -> str:
        """``system|value``, or the bare value where there is no system."""
        return f"{self.system}|{self.value}" if self.system else self.value


def parse_token(text: str) -> Token:
    """``system|value``, ``|value`` or ``value``, split at the last pipe (defects S6), canonically spelt."""
    system, _, value = text.strip().rpartition("|")
    return Token(canonical(system), value.strip())


def same_system(one: str, other: str) -> bool:
    """Whether two systems are one: those of NHS England without scheme and case (defects S5), others exactly."""
    first, second = canonical(one), canonical(other)
    return first == second or (_is_nhs(first) and _bare(first) == _bare(second))


def same_identifier(one: Token, other: Token) -> bool:
    """Whether two tokens name one thing; a token without a system matches any (FHIR token search)."""
    if one.value != other.value:
        return False
    return not one.system or not other.system or same_system(one.system, other.system)


def matches(wanted: Token, held: Token) -> bool:
    """FHIR token search: ``system|value``, ``value``, or ``system|`` for any value of a system."""
    if not wanted.value:
        return bool(wanted.system) and same_system(wanted.system, held.system)
    return same_identifier(wanted, held)


def _bare(system: str) -> str:
    return system.strip().lower().removeprefix("https://").removeprefix("http://").rstrip("/")


def _is_nhs(system: str) -> bool:
    return _bare(system).startswith("fhir.nhs.uk/")
