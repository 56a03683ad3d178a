"""Postcodes as a cross-check: where an outward code lies, and how far it reaches."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

from cad_bridge.discovery.crs import GridPoint
from cad_bridge.discovery.query import ResolvedPlace

_OUTWARD = r"[A-Z]{1,2}[0-9][0-9A-Z]?"
_NORTHERN_IRELAND = ResolvedPlace(GridPoint(90_000.0, 531_500.0), 90_000.0)
"""All of it and nothing else has postcodes that begin with BT. Where each lies is under a narrower licence."""

_FULL = re.compile(rf"({_OUTWARD})([0-9][A-Z]{{2}})\Z")
_OUTWARD_ONLY = re.compile(rf"{_OUTWARD}\Z")


def outward_code(postcode: str) -> str | None:
    """The outward code (``LS1``) of a postcode in any spacing and case, full or outward only; None if it is neither."""
    letters = re.sub(r"\s", "", postcode).upper()
    full = _FULL.match(letters)
    if full:
        return full.group(1)
    return letters if _OUTWARD_ONLY.match(letters) else None


@dataclass(frozen=True, slots=True)
class OutwardCodes:
    """A `PostcodeSource` that knows outward codes only."""

    places: dict[str, ResolvedPlace]

    def place_of_postcode(self, postcode: str) -> ResolvedPlace | None:
        """The middle of the outward code's area and its radius; None for an unknown or malformed postcode."""
        outward = outward_code(postcode)
        if outward is None:
            return None
        return _NORTHERN_IRELAND if outward.startswith("BT") else self.places.get(outward)


def read_outward_codes(text: str) -> OutwardCodes:
    """Read ``outward_code,easting,northing,radius_m``, British National Grid metres."""
    return OutwardCodes(
        {
            row["outward_code"]: ResolvedPlace(
                GridPoint(float(row["easting"]), float(row["northing"])), float(row["radius_m"])
            )
            for row in csv.DictReader(io.StringIO(text))
        }
    )
