"""Where: the incident and other locations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cad_bridge.fhir.content_types import ContentModel, Text, Token

Degrees = Annotated[float, Field(allow_inf_nan=False)]
Metres = Annotated[int | float, Field(allow_inf_nan=False)]

UK_LATITUDES = (49.0, 61.0)
UK_LONGITUDES = (-9.0, 3.0)
"""The box of the United Kingdom and its islands in WGS84 degrees (defects S1)."""


class Position(ContentModel):
    """A point, WGS84 degrees."""

    latitude: Degrees
    longitude: Degrees

    @property
    def is_in_the_uk(self) -> bool:
        """Whether it lies in the box around the United Kingdom."""
        return (
            UK_LATITUDES[0] <= self.latitude <= UK_LATITUDES[1]
            and UK_LONGITUDES[0] <= self.longitude <= UK_LONGITUDES[1]
        )

    @property
    def swapped(self) -> Position:
        """The same two numbers, read the other way round."""
        return Position(latitude=self.longitude, longitude=self.latitude)


class CoordinateReadings(ContentModel):
    """Two readings of a position that makes sense only with its numbers exchanged.

    Never applied silently: both are shown, and an operator confirms one (APP-COM-16, X-41).
    """

    as_sent: Position
    swapped: Position


class Location(ContentModel):
    """A place, given by point (coordinates, what3words) or by property (UPRN, PAF key, address with postcode)."""

    type: Literal["incident", "caller", "rendezvous", "other"] = "incident"
    type_text: Text | None = None
    """What kind of place, for type ``other``."""
    status: Literal["provisional", "confirmed"] | None = None
    """None: it was not said."""
    name: Text | None = None
    text: Text | None = None
    """The whole address or description in one piece."""
    latitude: Degrees | None = None
    longitude: Degrees | None = None
    altitude: Degrees | None = None
    """WGS84; latitude and longitude in degrees, altitude in metres."""
    easting: Metres | None = None
    northing: Metres | None = None
    """Metres of the national grid."""
    accuracy_percent: Metres | None = None
    uprn: Token | None = None
    paf_key: Token | None = None
    what3words: Token | None = None
    lines: tuple[Text, ...] = ()
    city: Text | None = None
    district: Text | None = None
    postcode: Text | None = None
    country: Text | None = None
    supplementary: Text | None = None
    """How to find it or get in."""

    @property
    def position(self) -> Position | None:
        """The point, if both coordinates are there."""
        if self.latitude is None or self.longitude is None:
            return None
        return Position(latitude=self.latitude, longitude=self.longitude)

    @property
    def can_be_placed(self) -> bool:
        """Whether a point or a property is given (APP-COM-10). A name or text alone is not enough."""
        return bool(
            self.position
            or (self.easting is not None and self.northing is not None)
            or self.uprn
            or self.paf_key
            or self.what3words
            or (self.postcode and (self.lines or self.text))
        )
