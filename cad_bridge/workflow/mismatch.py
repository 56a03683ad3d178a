"""A message that seems to mean a case of ours and does not fit it (DESIGN decision 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from cad_bridge.workflow.commands import Command

Mismatch = Literal["another-patient", "another-service", "several-cases"]
"""Why an update or cancellation is not taken for the case that it seems to mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MismatchReceived(Command):
    """An update or cancellation that seems to mean our case and does not fit it: refused, and it changes nothing."""

    name: ClassVar[str] = "mismatched"
    message: str
    why: Mismatch
    came_from: str
