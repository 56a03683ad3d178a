"""Errors of another party that come again and again are for its people to mend: who is to be told (CORE-ERR-16)."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from cad_bridge.protocol.answers import Answer, Origin

log = logging.getLogger(__name__)

IN_A_ROW = 5
"""Errors of one party about one service, with no success between, after which its people are to be told."""

_WHOM = {Origin.RECEIVER: "the receiver", Origin.PROXY: "NHS England: the BaRS proxy"}


@dataclass(slots=True)
class RepeatedErrors:
    """Errors in a row by service and by who spoke, as this node has met them since it started."""

    counts: dict[tuple[str, Origin], int] = field(default_factory=dict)

    def note(self, service_id: str, answer: Answer) -> None:
        """Count an answer; the fifth error in a row, and each fifth one after it, is logged with whom to tell."""
        if answer.is_delivered:
            for origin in Origin:
                self.counts.pop((service_id, origin), None)
            return
        if answer.origin not in _WHOM or answer.http_status is None:
            return
        key = service_id, answer.origin
        self.counts[key] = self.counts.get(key, 0) + 1
        if self.counts[key] % IN_A_ROW == 0:
            known = {"service": service_id, "status": answer.http_status, "code": answer.code}
            told = {"contact": _WHOM[answer.origin], "in_a_row": self.counts[key]}
            log.error("errors of another party repeat: its people are to be told", extra=known | told)
