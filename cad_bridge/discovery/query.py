"""The question: a place, as given by up to five sources, and what may be asked to resolve the indirect ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from cad_bridge.discovery.coordinates import Number
from cad_bridge.discovery.crs import GridPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryQuery:
    """A place to find the responsible service for. Numbers as text keep the precision they were typed with."""

    lat: Number | None = None
    """WGS84 degrees north."""
    lon: Number | None = None
    """WGS84 degrees east; negative in most of the United Kingdom."""
    easting: Number | None = None
    northing: Number | None = None
    crs: str | None = None
    """``osgb`` or ``irish``; compulsory with easting and northing."""
    postcode: str | None = None
    uprn: str | None = None
    what3words: str | None = None
    uncertainty_m: float | None = None
    """Radius in metres that came with the position itself, such as that of Advanced Mobile Location."""


@dataclass(frozen=True, slots=True)
class ResolvedPlace:
    """Where an indirect source (postcode, UPRN, what3words) lies, and the radius in metres that it stands for."""

    point: GridPoint
    radius_m: float


class PostcodeSource(Protocol):
    """Where a postcode lies: a full one, or its outward code with the radius of that area."""

    def place_of_postcode(self, postcode: str) -> ResolvedPlace | None:
        """None if the postcode is not known."""


class UprnSource(Protocol):
    """Where a property lies."""

    def place_of_uprn(self, uprn: str) -> ResolvedPlace | None:
        """None if the Unique Property Reference Number is not known."""


@runtime_checkable
class What3WordsSource(Protocol):
    """Where a what3words address lies. There is no open table: a site plugs in its own licensed resolver.

    It answers from memory or from disk, at once: it is asked while a message waits for its answer.
    """

    def place_of_words(self, words: str) -> ResolvedPlace | None:
        """None if the address is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationSources:
    """The resolvers that a site has configured; none by default, and none of them may guess."""

    postcodes: PostcodeSource | None = None
    uprns: UprnSource | None = None
    what3words: What3WordsSource | None = None


NO_SOURCES = LocationSources()
