"""Profile and payload rules for a message whose kind follows from what it says it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cad_bridge.fhir.facts import Facts
from cad_bridge.fhir.issues import Issue


def check_message(bundle: Mapping[str, Any], facts: Facts, *, strict: bool) -> Sequence[Issue]:
    """Every finding of the profile and payload rules."""
    return ()
