"""Programs of the site that the configuration names: found at the start, and kept from harming what they serve."""

from __future__ import annotations

import logging
import math
from importlib import import_module

from cad_bridge.discovery.query import ResolvedPlace, What3WordsSource
from cad_bridge.settings import ConfigurationError

log = logging.getLogger(__name__)


def what3words_source(named: str | None) -> What3WordsSource | None:
    """The site's own resolver by ``package.module:Class``; None where none is named.

    Raises:
        ConfigurationError: it can't be imported or made, or is none.
    """
    if named is None:
        return None
    module, _, name = named.partition(":")
    try:
        source = getattr(import_module(module), name)()
    except Exception as error:
        raise ConfigurationError(f"discovery.what3words_resolver: {named}: {type(error).__name__}: {error}") from error
    if not isinstance(source, What3WordsSource):
        raise ConfigurationError(f"discovery.what3words_resolver: {named} has no place_of_words")
    return _Guarded(source)


class _Guarded:
    """A resolver whose failure leaves an address unresolved: no emergency message is lost for it."""

    def __init__(self, source: What3WordsSource) -> None:
        self._source = source

    def place_of_words(self, words: str) -> ResolvedPlace | None:
        """What the resolver says, if it is a place; otherwise None, and the log says what went wrong, not where."""
        try:
            place = self._source.place_of_words(words)
        except Exception as error:  # noqa: BLE001 - the site's program; its words may quote the address
            log.error("the what3words resolver failed", extra={"error": type(error).__name__})  # noqa: TRY400
            return None
        if place is None or _is_place(place):
            return place
        log.error("the what3words resolver gave no place")
        return None


def _is_place(place: object) -> bool:
    if not isinstance(place, ResolvedPlace):
        return False
    numbers = (place.point.easting, place.point.northing, place.radius_m)
    return all(math.isfinite(number) for number in numbers) and place.radius_m >= 0
