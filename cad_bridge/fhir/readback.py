"""A request that is held, as a remote system reads it back: the bytes that came, with our ids and the status now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cad_bridge.fhir.echo import parse_verbatim, verbatim_entries, with_ids


def service_request_now(request: bytes, *, issued_ids: Mapping[str, str], status: str) -> dict[str, Any]:
    """The ServiceRequest of a held request with `status` (CORE-WF-14, X-03); everything else as it came.

    Numbers keep their digits when `orjson` writes it.
    Raises ValueError if `request` is no message with a ServiceRequest.
    """
    for entry in with_ids(verbatim_entries(parse_verbatim(request)), issued_ids):
        if entry.resource.get("resourceType") == "ServiceRequest":
            return {**entry.resource, "status": status}
    raise ValueError("a held request has a ServiceRequest")
