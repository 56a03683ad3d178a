"""Semantic versions, and which of them go together (CORE-VER-01, CORE-VER-05)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import total_ordering

CORE_VERSION = "1.1.0"
"""BaRS Core advertised in Accept and in the CapabilityStatement unless configured otherwise (X-54)."""

_VERSION = re.compile(
    r"(0|[1-9]\d{0,8})(?:\.(0|[1-9]\d{0,8}))?(?:\.(0|[1-9]\d{0,8}))?"
    r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?",
    re.ASCII,
)


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """A semantic version; build metadata is dropped, as it has no part in the order."""

    major: int
    minor: int = 0
    patch: int = 0
    pre_release: str = ""
    """``beta`` in 1.0.0-beta; empty for a release."""

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """The version that the text names; minor and patch may be left out. ``None`` where it names none."""
        found = _VERSION.fullmatch(text.strip())
        if found is None:
            return None
        major, minor, patch, pre_release = found.groups()
        return cls(int(major), int(minor or 0), int(patch or 0), pre_release or "")

    def __lt__(self, other: Version) -> bool:
        return self._order() < other._order()

    def __str__(self) -> str:
        release = f"{self.major}.{self.minor}.{self.patch}"
        return f"{release}-{self.pre_release}" if self.pre_release else release

    def distance(self, other: Version) -> tuple[int, int, int]:
        """How far another version of the same major is away: minor first, then patch, then being a pre-release."""
        pre_release = int(self.pre_release != other.pre_release)
        return abs(self.minor - other.minor), abs(self.patch - other.patch), pre_release

    def _order(self) -> tuple[int, int, int, bool, tuple[tuple[int, int, str], ...]]:
        """A pre-release comes before its release; numeric parts before words (semver 2.0.0, section 11)."""
        parts = self.pre_release.split(".") if self.pre_release else []
        keys = tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts)
        return self.major, self.minor, self.patch, not self.pre_release, keys


@dataclass(frozen=True, slots=True)
class SupportedVersions:
    """Versions that are understood: every release of one major version, and the pre-releases listed (X-13).

    A pre-release is never assumed to be compatible (CORE-VER-05).
    """

    major: int
    pre_releases: frozenset[Version] = frozenset()

    @classmethod
    def of(cls, listed: Iterable[str]) -> SupportedVersions:
        """From a list such as ``1.0.0-beta, 1.0.0, 1.1.0``.

        Raises ValueError where a version cannot be read, or where they are not all of one major version.
        """
        versions = {text: Version.parse(text) for text in listed}
        known = {v for v in versions.values() if v is not None}
        if None in versions.values() or len({v.major for v in known}) != 1:
            raise ValueError("the supported versions must be semantic versions of one major version")
        return cls(next(iter(known)).major, frozenset(v for v in known if v.pre_release))

    def __contains__(self, text: str) -> bool:
        version = Version.parse(text)
        if version is None or version.major != self.major:
            return False
        return not version.pre_release or version in self.pre_releases
