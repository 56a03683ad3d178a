"""Content negotiation of a received request: Accept and Content-Type (CORE-VER-04, CORE-ERR-GEN-09; reading X-21)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cad_bridge.protocol.errors import NOT_ACCEPTABLE, UNSUPPORTED_MEDIA_TYPE, Refused
from cad_bridge.protocol.versions import CORE_VERSION, Version

SERVED_MAJORS = frozenset({1})
"""Major versions of BaRS Core that are served; a second one may stand beside the first (CORE-VER-10)."""

_PRODUCED = frozenset({"application/fhir+json", "application/json", "application/*", "*/*"})
_CONSUMED = frozenset({"application/fhir+json", "application/json"})


@dataclass(frozen=True, slots=True)
class _MediaRange:
    type: str
    parameters: dict[str, str]

    @property
    def is_wanted(self) -> bool:
        """False for a type that the client excludes with q=0."""
        try:
            return float(self.parameters.get("q", "1")) > 0
        except ValueError:
            return True


def negotiate(accept: str | None, *, served_majors: frozenset[int] = SERVED_MAJORS) -> Version | Refused:
    """The Core version to answer in: the one asked for, or our own where the client names none.

    Lower and higher major versions that are not served are refused alike (X-21).
    """
    default = Version.parse(CORE_VERSION) or Version(1)
    ranges = list(_media_ranges(accept or ""))
    if not ranges:
        return default
    wanted = [r for r in ranges if r.type in _PRODUCED and r.is_wanted]
    versions = [Version.parse(r.parameters["version"]) if "version" in r.parameters else default for r in wanted]
    served = next((v for v in versions if v is not None and v.major in served_majors), None)
    return served or _not_acceptable(served_majors, type_fits=bool(wanted))


def check_content_type(content_type: str | None) -> Refused | None:
    """Refuse a body that is announced as anything but JSON in UTF-8; the version parameter is accepted as it is."""
    given = next(_media_ranges(content_type or ""), None)
    if given is None or (given.type in _CONSUMED and given.parameters.get("charset", "utf-8").lower() == "utf-8"):
        return None
    return Refused.because(
        UNSUPPORTED_MEDIA_TYPE,
        "Content-Type must be application/fhir+json in UTF-8.",
        expression="http.Content-Type",
        rule="CORE-HDR-16",
    )


def _not_acceptable(served_majors: frozenset[int], *, type_fits: bool) -> Refused:
    majors = ", ".join(str(major) for major in sorted(served_majors))
    asked = f"BaRS Core major version {majors} is served" if type_fits else "application/fhir+json is served"
    return Refused.because(
        NOT_ACCEPTABLE, f"Accept cannot be met: only {asked}.", expression="http.Accept", rule="CORE-VER-04"
    )


def _media_ranges(header: str) -> Iterator[_MediaRange]:
    for part in header.split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        if media_type:
            pairs = (p.partition("=") for p in parameters)
            yield _MediaRange(media_type.lower(), {n.strip().lower(): v.strip().strip('"') for n, _, v in pairs})
